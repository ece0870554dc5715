"""A way to Redis that a test can cut, block and spoil, and that counts what passes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import anyio
import hiredis

from tests.support import redis

T = TypeVar("T")
Illness = Literal["refuses", "hangs", "garbage"]
ILLNESSES: tuple[Illness, ...] = ("refuses", "hangs", "garbage")
GARBAGE = b"HTTP/1.1 200 OK\r\n\r\n\x00\xff<html>"
GUARD = 10.0  # seconds; a guard against a test that would hang, not a bound


@dataclass
class Proxy:
    """Passes everything on, until it has an illness."""

    illness: Illness | None = None
    port: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    """What clients sent, by name."""
    connections: int = 0
    _server: asyncio.Server | None = None
    _epoch: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}{urlsplit(redis.URL).path}"

    async def fall_ill(self, illness: Illness) -> None:
        self.illness = illness
        if illness == "refuses":
            await self.close()

    async def recover(self) -> None:
        """At the same address. Connections from the time of the illness are gone."""
        if self._server is not None:
            await self.close()
        self.illness = None
        await self.open()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await no_more_accepted(server)
            server.close()
        self.cut()

    def forget(self) -> None:
        """New connections work, those there are now stay silent for ever: as behind a firewall that was restarted."""
        self.illness = None
        self._epoch += 1

    def cut(self) -> None:
        """Every connection there is now."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        epoch = self._epoch
        address = urlsplit(redis.URL)
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(address.hostname, address.port or 6379)
        except BaseException:  # the test is over
            writer.transport.abort()
            raise
        self._writers.add(server_writer)
        parser = hiredis.Reader()
        back = asyncio.create_task(self._pump(epoch, server_reader, writer, lambda _: None))
        try:
            await self._pump(epoch, reader, server_writer, lambda data: self._count(parser, data), writer)
        finally:
            back.cancel()
            self._writers -= {writer, server_writer}
            writer.close()
            server_writer.close()

    async def _pump(
        self,
        epoch: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        see: Callable[[bytes], None],
        client: asyncio.StreamWriter | None = None,
    ) -> None:
        try:
            while data := await reader.read(65_536):
                see(data)
                if epoch != self._epoch:
                    continue
                if self.illness is None:
                    writer.write(data)
                    await writer.drain()
                elif self.illness == "garbage" and client is not None:
                    client.write(GARBAGE)
        except OSError:
            return

    def _count(self, parser: hiredis.Reader, data: bytes) -> None:
        parser.feed(data)
        while (command := parser.gets()) is not False:
            self.commands[command[0].decode().upper()] += 1


async def no_more_accepted(server: asyncio.Server) -> None:
    """What is being accepted comes to its end; asyncio would lose it when the server is closed just then."""
    for sock in server.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def open_proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


async def until(holds: Callable[[], object]) -> None:
    """Let the others work until it holds."""
    with anyio.fail_after(GUARD):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await anyio.sleep(0.005)


async def told(ask: Callable[[], Awaitable[T]], is_it: Callable[[T], bool]) -> T:
    """Ask until the answer is the one."""
    with anyio.fail_after(GUARD):
        while not is_it(answer := await ask()):  # noqa: ASYNC110 - as above
            await anyio.sleep(0.02)
        return answer
