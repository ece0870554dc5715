"""One WebSocket: bounded in bytes, never compressed, asked for signs of life, and closed when it says it is."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from runner.serving.headers import checked
from runner.serving.inbox import Gone
from runner.serving.limits import Limits
from runner.serving.names import (
    ASGIWebsocketState,
    Body,
    Data,
    EndBody,
    Request,
    Response,
    StreamClosed,
    StreamEvent,
    WSStream,
)

TOO_BIG, NO_PONG, NO_CODE, CUT, FAILED = 1009, 4408, 1005, 1006, 1011


class WebSocket(WSStream):
    """Hypercorn's stream, with an end to everything: see `names`."""

    def __init__(self, limits: Limits, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits
        self._size = 0  # bytes of the message that is being received
        self._is_deaf = False  # what still comes is thrown away
        self._is_put = False  # the app has yet to receive earlier messages
        self._heard_at = asyncio.get_running_loop().time()
        self._is_asked = False
        self._due = math.inf  # when the connection is cut
        self._code, self._reason = CUT, ""  # what the app is told

    @property
    def is_open(self) -> bool:
        return self.state is ASGIWebsocketState.CONNECTED and not self.closed and not self._is_deaf

    async def handle(self, event: StreamEvent) -> None:
        if self.closed:
            return
        if isinstance(event, (Data, Body)):
            self._heard_at, self._is_asked = asyncio.get_running_loop().time(), False
            await self._receive(event.data)
        elif isinstance(event, StreamClosed):
            self.closed = True
            if self.app_put is not None:
                await self.app_put({"type": "websocket.disconnect", "code": self._code, "reason": self._reason})
        elif isinstance(event, Request):
            await self._begin(event)
        elif isinstance(event, EndBody):
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _begin(self, event: Request) -> None:
        if not event.raw_path.isascii():
            await self._refuse(400)
            return
        await super().handle(event)
        if self.closed:  # refused; Hypercorn would leave the connection open
            self.closed = False
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _refuse(self, status: int) -> None:
        self.state = ASGIWebsocketState.HTTPCLOSED
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await self.send(Response(stream_id=self.stream_id, headers=headers, status_code=status))
        await self.send(EndBody(stream_id=self.stream_id))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _receive(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self.handshake.accepted:
            self.connection.receive_data(data)
            await self._handle_events()
        elif self.state is ASGIWebsocketState.HANDSHAKE:  # a client that does not wait for the answer
            await self._refuse(400)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                if self.is_open:
                    await self._take(event)
            elif isinstance(event, CloseConnection):
                await self._closed_by_client(event)
            elif isinstance(event, Ping) and self.is_open:
                await self._send_wsproto_event(event.response())
            if self._is_deaf or self.closed:
                return

    async def _take(self, event: TextMessage | BytesMessage) -> None:
        """Count bytes, not characters; the first too many is the last."""
        data = event.data
        self._size += len(data) if not isinstance(data, str) or data.isascii() else len(data.encode())
        if self._size > self._limits.message_bytes:
            await self.end(TOO_BIG)
            return
        if event.message_finished and self.buffer.value is None:  # most are in one piece
            text, raw = (data, None) if isinstance(data, str) else (None, bytes(data))
            message: dict[str, Any] = {"type": "websocket.receive", "bytes": raw, "text": text}
        else:
            self.buffer.extend(event)
            if not event.message_finished:
                return
            message = self.buffer.to_message()
            self.buffer.clear()
        self._size = 0
        self._is_put = True
        await self.app_put(message)  # type: ignore[misc] # set before anything is received
        self._is_put = False

    async def _closed_by_client(self, event: CloseConnection) -> None:
        state = self.connection.state
        if state is ConnectionState.OPEN:  # it broke the protocol, and this is what to tell it
            await self.end(event.code, event.reason or "")
            return
        if state is ConnectionState.REMOTE_CLOSING:
            self._code, self._reason = event.code, event.reason or ""
            await self._send_wsproto_event(event.response())
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def end(self, code: int, reason: str = "") -> None:
        """Close from this side, whatever the app thinks. Nothing that still comes is looked at."""
        if self._is_deaf or self.closed:
            return
        self._is_deaf = True
        self._code, self._reason = code, reason
        self.buffer.clear()
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))
        await self.send(StreamClosed(stream_id=self.stream_id))

    def check(self, now: float) -> None:
        """Ask for a sign of life, and close what gives none; cut what does not answer a close."""
        if self.closed:
            return
        if now >= self._due:
            self._due = math.inf
            self.task_group.spawn(self.send, StreamClosed(stream_id=self.stream_id))
        elif self._is_put:
            self._heard_at = now  # it is the app that does not listen
        elif self.is_open and now - self._heard_at >= self._limits.ping:
            self._ask(now)

    def _ask(self, now: float) -> None:
        if not self._is_asked:
            self._is_asked = True
            self.task_group.spawn(self._send_wsproto_event, Ping())
        elif now - self._heard_at >= self._limits.ping + self._limits.pong:
            self.task_group.spawn(self.end, NO_PONG, "No sign of life")

    async def app_send(self, message: Any) -> None:
        """Raises:
        Gone: the client is, or has been told to go.
        ValueError: a header that must not be sent.
        """
        if message is None:
            await self._app_ended()
            return
        if self.closed or self._is_deaf:
            raise Gone
        if message["type"] == "websocket.close" and self.state is ASGIWebsocketState.CONNECTED:
            self._code = int(message.get("code", 1000))
            self._due = asyncio.get_running_loop().time() + self._limits.close
        await super().app_send(message)
        if message["type"] == "websocket.send":
            await asyncio.sleep(0)  # a bot that sends without end lets the others run

    async def _app_ended(self) -> None:
        if self.closed:
            return
        if self.state is ASGIWebsocketState.CONNECTED:
            await self.end(FAILED)
        elif self.state is ASGIWebsocketState.HANDSHAKE:
            await self._refuse(500)
        elif self.state is not ASGIWebsocketState.CLOSED:  # then the client has its time to answer the close
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _accept(self, message: Any) -> None:
        self.handshake.extensions = None  # permessage-deflate: 972 KB on the wire become 1.1 GiB
        status, headers, _ = self.handshake.accept(message.get("subprotocol"), checked(message.get("headers", ())))
        self.state, self.connection = ASGIWebsocketState.CONNECTED, Connection(ConnectionType.SERVER)
        await self.send(Response(stream_id=self.stream_id, status_code=status, headers=headers))

    async def _send_rejection(self, message: Any) -> None:
        self.response["headers"] = checked(self.response.get("headers", ()))
        await super()._send_rejection(message)
