"""Connections to an ASGI app in this process that hold up, break off, and lose what was under way."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from starlette.types import ASGIApp, Message

from generalbots_api.client.sockets import SocketClosed

Frame = dict[str, Any]
ORIGIN = "http://127.0.0.1:8080"


def scope_of(kind: str, path: str, user: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    sent = {"host": "127.0.0.1:8080", "origin": ORIGIN, "authorization": f"Bearer {user}", **headers}
    return {
        **{"type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "root_path": ""},
        **{"scheme": "ws" if kind == "websocket" else "http", "path": path, "raw_path": path.encode()},
        **{"query_string": query.encode(), "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8080)},
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }


@dataclass
class Wire:
    """One connection, as the client has it. `capacity` is in messages: past it the server's `send` waits."""

    app: ASGIApp
    scope: dict[str, Any]
    capacity: int = 4
    is_harsh: bool = False  # the server's `send` raises once the client has gone
    status: int | None = None  # of a response, or 101
    code: int | None = None  # of a close
    is_cut: bool = False
    is_over: bool = False  # the app has returned
    may_fail: Callable[[], bool] = lambda: False
    up: deque[Message] = field(default_factory=deque)
    down: deque[str] = field(default_factory=deque)
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """The server's side of it, to its end."""
        try:
            await self.app(self.scope, self._receive, self._send)
        except Exception:
            self.is_cut = True  # a server breaks the connection off then
            if not self.may_fail():
                raise
        finally:
            self.is_over = True
            self._tell()

    @property
    def is_gone(self) -> bool:
        """Whether nothing more comes, besides what waits to be read."""
        return self.is_cut or self.is_over or self.code is not None

    async def opened(self) -> None:
        """Return when the server has accepted or refused, or has gone.

        Raises:
            SocketClosed: it has not accepted.
        """
        await self._until(lambda: self.status is not None)
        if self.status is None or self.status >= 400:
            raise SocketClosed(1006, f"refused: {self.status}")

    def say(self, frame: Frame | str) -> None:
        self.up.append({"type": "websocket.receive", "text": frame if isinstance(frame, str) else json.dumps(frame)})
        self._tell()

    async def hear(self) -> str:
        """Raises:
        SocketClosed: nothing more comes.
        """
        await self._until(lambda: bool(self.down))
        if self.is_cut or not self.down:
            raise SocketClosed(self.code or 1006, "")
        text = self.down.popleft()
        self._tell()
        return text

    def cut(self, *, loses: bool) -> None:
        """Break off; `loses`: what the server has not read by now does not get there."""
        self.is_cut = True
        if loses:
            self.up.clear()
        self._tell()

    async def _receive(self) -> Message:
        await self._until(lambda: bool(self.up) or self.code is not None)
        await anyio.lowlevel.checkpoint()
        if self.up and self.code is None:
            return self.up.popleft()
        kind = "websocket.disconnect" if self.scope["type"] == "websocket" else "http.disconnect"
        return {"type": kind, "code": 1006}

    async def _send(self, message: Message) -> None:
        while len(self.down) >= self.capacity and not self.is_cut:
            await self._next()
        if self.is_cut:
            if self.is_harsh:
                raise ConnectionResetError
            return
        match message["type"]:
            case "websocket.accept":
                self.status = 101
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "websocket.send":
                self.down.append(message["text"])
            case "websocket.close":
                self.code = message["code"]
            case _:
                if body := message.get("body", b"").decode():
                    self.down.append(body)
        self._tell()

    async def _until(self, holds: Any) -> None:
        while not (holds() or self.is_cut or self.is_over):
            await self._next()

    async def _next(self) -> None:
        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


def request(app: ASGIApp, method: str, path: str, user: str, body: object = None, **headers: str) -> Wire:
    """A request whose body is there; run it."""
    sent = {"content-type": "application/json"} if body is not None else {}
    scope = scope_of(
        "http", path, user, {**sent, **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
    )
    wire = Wire(app, {**scope, "method": method}, capacity=1_000)
    data = json.dumps(body).encode() if body is not None else b""
    wire.up.append({"type": "http.request", "body": data, "more_body": False})
    return wire


def socket(app: ASGIApp, user: str, **options: Any) -> Wire:
    """A handshake for `gb.v1`; run it."""
    offered = "gb.v1"
    scope = scope_of("websocket", "/ws", user, {"sec-websocket-protocol": offered})
    wire = Wire(app, {**scope, "subprotocols": [offered], "extensions": {"websocket.http.response": {}}}, **options)
    wire.up.append({"type": "websocket.connect"})
    return wire
