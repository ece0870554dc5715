"""A server for bots to speak to: plain HTTP/1.1 over a socket, so that a test decides on every byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Given:
    """The answer to it."""

    chunks: Iterable[bytes] | AsyncIterator[bytes] = ()
    status: int = 200
    type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False  # the connection breaks instead of ending the body
    raw: bytes | None = None  # instead of everything else


@dataclass(slots=True)
class Upstream:
    """`gone` is set when a client closes its connection in the middle of an answer."""

    give: Callable[[Asked], Given]
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def close_connections(self) -> None:
        for writer in list(self._writers):
            writer.close()
            await writer.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._turn(reader, writer):
                    pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = await read_request(reader)
        self.asked.append(asked)
        given = self.give(asked)
        answering = asyncio.create_task(write_answer(writer, given))
        watching = asyncio.create_task(reader.read(1))
        await asyncio.wait([answering, watching], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            self.gone.set()
        for task in (answering, watching):
            task.cancel()
        await asyncio.gather(answering, watching, return_exceptions=True)
        return not given.is_cut and not self.gone.is_set()


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def write_answer(writer: asyncio.StreamWriter, given: Given) -> None:
    if given.raw is not None:
        writer.write(given.raw)
        await writer.drain()
        return
    headers = {"content-type": given.type, "transfer-encoding": "chunked", **given.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {given.status} Whatever\r\n{lines}\r\n".encode())
    async for chunk in each(given.chunks):
        writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await writer.drain()
    if not given.is_cut:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def each(chunks: Iterable[bytes] | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(chunks, AsyncIterator):
        async for chunk in chunks:
            yield chunk
        return
    for chunk in chunks:
        yield chunk


@asynccontextmanager
async def upstream(give: Callable[[Asked], Given]) -> AsyncIterator[Upstream]:
    stub = Upstream(give)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
