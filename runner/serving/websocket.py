"""One WebSocket: bounded in bytes, never compressed, asked for signs of life, and closed when it says it is."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from wsproto.events import BytesMessage, TextMessage
from wsproto.frame_protocol import Frame

from runner.serving.frames import BINARY, CLOSE, PING, TEXT, Broken, Frames
from runner.serving.headers import checked
from runner.serving.inbox import Gone
from runner.serving.limits import Limits
from runner.serving.names import (
    ASGIWebsocketState,
    Body,
    Data,
    EndBody,
    EndData,
    Request,
    Response,
    StreamClosed,
    StreamEvent,
    WSStream,
)
from runner.serving.outflow import Outflow

TOO_BIG, NO_PONG, CUT, FAILED = 1009, 4408, 1006, 1011


class WebSocket(WSStream):
    """Hypercorn's stream, with an end to everything: see `names`. Messages go past its layers, by `Frames`."""

    def __init__(self, limits: Limits, outflow: Outflow, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits
        self._outflow = outflow
        self._is_alone = False  # on its connection: frames are all that goes over it
        self._frames = Frames()
        self._loop = asyncio.get_running_loop()
        self._size = 0  # bytes of the message that is being received
        self._is_deaf = False  # what still comes is thrown away
        self._is_put = False  # the app has yet to receive earlier messages
        self._heard_at = self._loop.time()
        self._is_asked = False
        self._due = math.inf  # when the connection is cut
        self._code, self._reason = CUT, ""  # what the app is told

    @property
    def is_open(self) -> bool:
        return self.state is ASGIWebsocketState.CONNECTED and not self.closed and not self._is_deaf

    # What comes from the client

    async def handle(self, event: StreamEvent) -> None:
        if self.closed:
            return
        if isinstance(event, (Data, Body)):
            await self.receive(event.data)
        elif isinstance(event, StreamClosed):
            self.closed = True
            if self.app_put is not None:
                await self.app_put({"type": "websocket.disconnect", "code": self._code, "reason": self._reason})
        elif isinstance(event, Request):
            await self._begin(event)
        elif isinstance(event, EndBody):
            await self._cut()

    async def _begin(self, event: Request) -> None:
        if not event.raw_path.isascii():
            await self._refuse(400)
            return
        await super().handle(event)
        if self.closed:  # refused; Hypercorn would leave the connection open
            self.closed = False
            await self._cut()

    async def _refuse(self, status: int) -> None:
        self.state = ASGIWebsocketState.HTTPCLOSED
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await self.send(Response(stream_id=self.stream_id, headers=headers, status_code=status))
        await self.send(EndBody(stream_id=self.stream_id))
        await self._cut()

    async def receive(self, data: bytes) -> None:
        """Bytes of frames, in the pieces in which they come."""
        self._heard_at, self._is_asked = self._loop.time(), False
        if self._is_deaf or self.closed:
            return
        if self.handshake.accepted:
            await self._receive(data)
        elif self.state is ASGIWebsocketState.HANDSHAKE:  # a client that does not wait for the answer
            await self._refuse(400)

    async def _receive(self, data: bytes) -> None:
        try:
            for frame in self._frames.received(data):
                opcode = frame.opcode
                if opcode is TEXT or opcode is BINARY:
                    if self.is_open:
                        await self._take(frame)
                elif opcode is CLOSE:
                    await self._closed_by_client(frame.payload)
                elif opcode is PING and self.is_open:
                    await self._write(self._frames.pong(frame.payload))  # type: ignore[arg-type] # bytes, of a ping
                if self._is_deaf or self.closed:
                    return
        except Broken as error:
            await (self._cut() if self._frames.is_closed_by_us else self.end(error.code, str(error)))

    async def _take(self, frame: Frame) -> None:
        """Count bytes, not characters; the first too many is the last."""
        data: Any = frame.payload
        self._size += len(data) if not isinstance(data, str) or data.isascii() else len(data.encode())
        if self._size > self._limits.message_bytes:
            await self.end(TOO_BIG)
            return
        if frame.message_finished and self.buffer.value is None:  # most are in one piece
            text, raw = (data, None) if isinstance(data, str) else (None, data)
            message: dict[str, Any] = {"type": "websocket.receive", "bytes": raw, "text": text}
        else:
            self.buffer.extend(TextMessage(data=data) if isinstance(data, str) else BytesMessage(data=data))
            if not frame.message_finished:
                return
            message = self.buffer.to_message()
            self.buffer.clear()
        self._size = 0
        self._is_put = True
        await self.app_put(message)  # type: ignore[misc] # set before anything is received
        self._is_put = False

    async def _closed_by_client(self, payload: Any) -> None:
        if not self._frames.is_closed_by_us:
            self._code, self._reason = payload
            await self._write(self._frames.close(*payload))
        await self._cut()

    # The end

    async def end(self, code: int, reason: str = "") -> None:
        """Close from this side, whatever the app thinks. Nothing that still comes is looked at."""
        if self._is_deaf or self.closed:
            return
        self._is_deaf = True
        self._code, self._reason = code, reason
        self.buffer.clear()
        await self._write(self._frames.close(code, reason))
        await self._cut()

    async def _cut(self) -> None:
        await self.send(StreamClosed(stream_id=self.stream_id))

    def check(self, now: float) -> None:
        """Ask for a sign of life, and close what gives none; cut what does not answer a close."""
        if self.closed:
            return
        if now >= self._due:
            self._due = math.inf
            self.task_group.spawn(self._cut)
        elif self._is_put:
            self._heard_at = now  # it is the app that does not listen
        elif self.is_open and now - self._heard_at >= self._limits.ping:
            self._ask(now)

    def _ask(self, now: float) -> None:
        if not self._is_asked:
            self._is_asked = True
            self.task_group.spawn(self._ping)
        elif now - self._heard_at >= self._limits.ping + self._limits.pong:
            self.task_group.spawn(self.end, NO_PONG, "No sign of life")

    async def _ping(self) -> None:
        await self._write(self._frames.ping())

    # What the app sends

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
        kind = message["type"]
        if kind == "websocket.send" and self.state is ASGIWebsocketState.CONNECTED:
            await self._write(self._frame_of(message))
            if self._outflow.pace.is_over():
                await asyncio.sleep(0)
        elif kind == "websocket.close" and self.state in {ASGIWebsocketState.CONNECTED, ASGIWebsocketState.CLOSED}:
            await self._app_closes(int(message.get("code", 1000)), message.get("reason"))
        else:
            await super().app_send(message)

    def _frame_of(self, message: Any) -> bytes:
        if (data := message.get("bytes")) is not None:
            return self._frames.data(BINARY, bytes(data))
        text = message["text"]
        if not isinstance(text, str):
            raise TypeError(f"{text} should be a str")
        return self._frames.data(TEXT, text.encode())

    async def _write(self, frame: bytes) -> None:
        if not frame:  # a side has closed, and nothing may follow
            return
        if self._is_alone:
            await self._outflow.send(frame)
        else:
            await self.send(Data(stream_id=self.stream_id, data=frame))

    async def _app_closes(self, code: int, reason: str | None) -> None:
        if self.state is ASGIWebsocketState.CLOSED:
            return
        self._code, self._due = code, self._loop.time() + self._limits.close
        self.state = ASGIWebsocketState.CLOSED
        await self._write(self._frames.close(code, reason))
        await self.send(EndData(stream_id=self.stream_id))

    async def _app_ended(self) -> None:
        if self.closed:
            return
        if self.state is ASGIWebsocketState.CONNECTED:
            await self.end(FAILED)
        elif self.state is ASGIWebsocketState.HANDSHAKE:
            await self._refuse(500)
        elif self.state is not ASGIWebsocketState.CLOSED:  # then the client has its time to answer the close
            await self._cut()

    async def _accept(self, message: Any) -> None:
        self.handshake.extensions = None  # permessage-deflate: 972 KB on the wire become 1.1 GiB
        status, headers, _ = self.handshake.accept(message.get("subprotocol"), checked(message.get("headers", ())))
        self.state, self._is_alone = ASGIWebsocketState.CONNECTED, self.handshake.http_version == "1.1"
        await self.send(Response(stream_id=self.stream_id, status_code=status, headers=headers))

    async def _send_rejection(self, message: Any) -> None:
        self.response["headers"] = checked(self.response.get("headers", ()))
        await super()._send_rejection(message)
