"""A way to the server that can be cut, made to hang, and mended; the server itself is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK = 65_536  # bytes


class Proxy:
    """Forwards TCP. `round_trips` counts what clients sent: what they send at once is one."""

    def __init__(self, dsn: str) -> None:
        to = conninfo_to_dict(dsn)
        self._to = str(to.get("host") or "127.0.0.1"), int(to.get("port") or 5432)
        self._dsn = dsn
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held = asyncio.Semaphore(0)
        self._pairs: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.round_trips = 0
        self.connections = 0

    @property
    def dsn(self) -> str:
        return make_conninfo(self._dsn, host="127.0.0.1", port=self.port, sslmode="disable")

    async def start(self) -> Self:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def hang(self) -> None:
        """Connections are taken and kept, and nothing gets through."""
        self._flowing.clear()
        self._held = asyncio.Semaphore(0)

    async def held(self, count: int = 1) -> None:
        """Until so many questions have come that do not get through."""
        for _ in range(count):
            await self._held.acquire()

    def flow(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        for writer in self._pairs:
            writer.transport.abort()

    def stop(self) -> None:
        """As a server that is down: end every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def quiet(self) -> None:
        """Until the clients can know that their connections are cut."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._pairs.add(writer)
        await self._flowing.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        self._pairs.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, far_writer, is_question=True))
                group.create_task(self._pipe(far_reader, writer, is_question=False))
        finally:
            self._pairs -= {writer, far_writer}

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_question: bool) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if is_question and not self._flowing.is_set():
                    self._held.release()
                await self._flowing.wait()
                self.round_trips += is_question
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def proxy_to(dsn: str) -> AsyncIterator[Proxy]:
    proxy = await Proxy(dsn).start()
    try:
        yield proxy
    finally:
        await proxy.close()
