"""Apps on the runner's own connections, in the event loop of the test, and clients that send bytes."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.server import ServerOptions, serve_until
from runner.serving.inbox import Gone
from runner.serving.limits import Limits

PATIENCE = 20  # seconds, for a machine that is busy
SHORT = Limits(head=0.2, keep_alive=0.4, body=0.2, linger=0.2, ping=0.2, pong=0.2, close=0.2, sweep=0.02)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@dataclass
class Served:
    port: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def client(self, **options: Any) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port, **options))


@dataclass
class Client:
    """Reads with patience: no test waits for ever."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()

    async def until_closed(self) -> bytes:
        """Everything that still comes; a reset is an end too."""
        said = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self.reader.read(65_536):
                    said += data
            except ConnectionError:
                pass
        return said

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(end)

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body, which has a length."""
        head = await self.until(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        async with asyncio.timeout(PATIENCE):
            body = await self.reader.readexactly(int(length[1])) if length else b""
        return int(head.split()[1]), body

    async def upgraded(self, *headers: bytes) -> bytes:
        """Ask for a WebSocket; the head of the answer."""
        self.send(UPGRADE + b"".join(header + b"\r\n" for header in headers) + b"\r\n")
        return await self.until(b"\r\n\r\n")


@dataclass
class Seen:
    """What an app saw of its client, for the test to wait for."""

    events: list[Any] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def leaving(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.gone.wait()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads all of the body, and answers with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    await reply(send, b"%d" % size)


async def reply(send: Send, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


def endless(seen: Seen) -> ASGIApp:
    """Streams, or sends on a socket, until it is told that nobody listens, and never waits for anything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/health":
            await reply(send, b"ok")
            return
        is_socket = scope["type"] == "websocket"
        await send({"type": "websocket.accept"} if is_socket else {"type": "http.response.start", "status": 200})
        piece: Any = {"type": "http.response.body", "body": b"x" * 10_000, "more_body": True}
        if is_socket:
            piece = {"type": "websocket.send", "text": "x" * 10_000}
        try:
            while True:
                await send(piece)
        except Gone:
            seen.gone.set()

    return app


def keeper(seen: Seen) -> ASGIApp:
    """Accepts sockets and keeps what comes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            seen.events.append(message.get("text") or message.get("bytes"))
        seen.events.append((message["code"], message["reason"]))
        seen.gone.set()

    return app


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.written = asyncio.Event()

    def write(self, data: Any) -> None:
        self.writes.append(data)
        self.written.set()

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""


@asynccontextmanager
async def served(app: ASGIApp, limits: Limits = SHORT, grace: float = PATIENCE, **more: Any) -> AsyncIterator[Served]:
    """`app`, on a free port, until the end of the body."""
    bound = socket.create_server(("127.0.0.1", 0))
    here = Served(bound.getsockname()[1])
    options = ServerOptions(graceful_timeout=grace, limits=replace(limits), **more)

    async def stop() -> None:
        await here.stop.wait()

    async def run() -> None:
        await serve_until(stop, app, bound.detach(), options)
        here.over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield here
        finally:
            here.stop.set()
            with anyio.fail_after(PATIENCE, shield=True):
                await here.over.wait()
