"""The model server behind real sockets of 127.0.0.1, and a client that does not wait between its tries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import httpx2
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from generalbots_api.client import Client, Conversation, Event, NewMessage, ReplyDelta, ReplySnapshot
from tests.client.model_server import SESSION, ModelServer, ModelSocket


@dataclass
class SocketServer:
    """`refusals` are answers to the next handshakes; `echoes`: each message is answered at once, in pieces."""

    model: ModelServer = field(default_factory=ModelServer)
    refusals: list[Response] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)  # of each handshake
    received: list[dict[str, Any]] = field(default_factory=list)
    rest: list[httpx2.Request] = field(default_factory=list)
    echoes: bool = True
    deaf: bool = False  # reads, and does nothing
    hello: dict[str, Any] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)  # of the client
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _open: dict[ServerConnection, ModelSocket] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.tokens.append(request.headers.get("Authorization"))
        return self.refusals.pop(0) if self.refusals else None

    async def handle(self, connection: ServerConnection) -> None:
        socket = self._open[connection] = self.model.open()
        socket.frames[0].update(self.hello)
        self.opened.set()
        try:
            await self.flush()
            async for text in connection:
                frame = json.loads(text)
                self.received.append(frame)
                self.heard.set()
                if self.deaf and frame["type"] != "subscribe":
                    continue
                self.model.receive(socket, str(text))
                if self.echoes and frame["type"] == "message":
                    self.answer()
                await self.flush()
                self.heard.set()
        except ConnectionClosed:
            pass
        finally:
            self._forget(connection)

    def _forget(self, connection: ServerConnection) -> None:
        socket = self._open.pop(connection, None)
        self.model.sockets = [one for one in self.model.sockets if one is not socket]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Until something that depends on what was received is so."""
        while not holds():
            self.heard.clear()
            await self.heard.wait()

    async def until_received(self, type: str) -> None:
        await self.until(lambda: any(frame["type"] == type for frame in self.received))

    def answer(self) -> None:
        """The bot answers everything."""
        while self.model.unanswered:
            text = self.model.unanswered[0]["content"]
            self.model.start()
            for piece in ("You said ", text, "."):
                self.model.piece(piece)
            self.model.finish()

    async def flush(self) -> None:
        for connection, socket in list(self._open.items()):
            while socket.frames:
                await connection.send(json.dumps(socket.frames.pop(0)))

    async def close(self, code: int, reason: str = "") -> None:
        """Close every socket."""
        self.opened.clear()
        for connection in list(self._open):
            self._forget(connection)
            await connection.close(code, reason)

    def cut(self) -> None:
        """Every socket is gone without a word."""
        self.opened.clear()
        for connection in list(self._open):
            self._forget(connection)
            connection.transport.abort()

    def answer_rest(self, request: httpx2.Request) -> httpx2.Response:
        self.rest.append(request)
        if request.url.path.endswith("/cancel"):
            return httpx2.Response(200, json={"status": "idle"})
        return httpx2.Response(200, json=self.model.history(int(request.url.params["after"]), 100))

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        options = {"base_url": self.base, "token": "gbs_first", "random": Random(7), **options}  # noqa: S311 # jitter
        async with (
            httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer_rest)) as http,
            Client(http=http, sleep=self.sleep, **options) as client,
        ):
            yield client

    @asynccontextmanager
    async def chat(self, after_seq: int | None = 0, **options: Any) -> AsyncIterator[Conversation]:
        of_chat = {name: options.pop(name) for name in ("max_events", "ack_timeout", "open_timeout") if name in options}
        async with (
            self.client(**options) as client,
            client.conversation(SESSION, after_seq=after_seq, **of_chat) as chat,
        ):
            yield chat


@asynccontextmanager
async def socket_server(**options: Any) -> AsyncIterator[SocketServer]:
    server = SocketServer(**options)
    listening: Server
    async with serve(
        server.handle,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("gb.v1")],
        process_request=server.refuse,
        compression=None,
        close_timeout=1,
    ) as listening:
        server.port = next(iter(listening.sockets)).getsockname()[1]
        yield server


def refusal(status: int, code: str = "", **headers: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": "told", "details": {}}}).encode()
    fields = {"Content-Length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Response(status, HTTPStatus(status).phrase, Headers(fields), body)


async def messages(chat: Conversation, number: int) -> list[str]:
    """The content of the next messages; what is shown of a reply must be what its message says."""
    found: list[str] = []
    texts: dict[str, str] = {}
    while len(found) < number:
        event: Event = await anext(chat)
        match event:
            case NewMessage(message):
                found.append(message.content)
                assert message.content.startswith(texts.pop(message.message_id, ""))
            case ReplyDelta(reply_id, _, content):
                texts[reply_id] = texts.get(reply_id, "") + content
            case ReplySnapshot(reply_id, _, content):
                texts[reply_id] = content
    return found
