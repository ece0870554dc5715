"""The two ends of a socket: what comes is read and acted on, what waits is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import msgspec
from starlette.types import Message, Receive, Send

from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, RateLimited, Unauthorized, Unavailable
from generalbots_api.ids import TokenHash
from generalbots_api.settings import Settings
from generalbots_api.web.errors import ErrorObject, error_object
from generalbots_api.ws.codec import Malformed, decode_frame
from generalbots_api.ws.farewell import goodbye
from generalbots_api.ws.flood import Flood
from generalbots_api.ws.model import ClientFrame, CloseCode, PongFrame, encoded, error_frame
from generalbots_api.ws.outbox import Outbox
from generalbots_api.ws.service import Socket

CLOSE_TIMEOUT = 2.0  # seconds for the last frames of a socket that may not read

FindCaller = Callable[[TokenHash, float], Awaitable[Caller | None]]
"""The caller of a live login, by the hash of its token, at a Unix time."""


class Dialogue(Protocol):
    async def hear(self, frame: ClientFrame, /) -> None: ...


@dataclass(slots=True)
class Reader:
    """Receives until the client goes; after a close of ours what still comes is thrown away."""

    socket: Socket
    dialogue: Dialogue
    find_caller: FindCaller
    clock: Clock
    settings: Settings
    request_id: str
    flood: Flood = field(init=False)

    def __post_init__(self) -> None:
        self.flood = Flood(self.settings.frames_per_second, self.settings.frame_burst)

    async def read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if self.socket.outbox.close_code is None:
                await self._hear(message)

    async def _hear(self, message: Message) -> None:
        outbox, frame = self.socket.outbox, None
        try:
            text = self._text(message)
            if text is None:
                return
            now = self.clock.unix()
            self.socket.hear(now)
            if not self.flood.take(now):
                raise RateLimited("Too many frames", retry_after=1)
            frame = decode_frame(text)
            if isinstance(frame, PongFrame):
                return
            await self._check_login(now)
            await self.dialogue.hear(frame)
        except Unauthorized:
            outbox.close(CloseCode.LOGIN_ENDED, "The login has ended")
        except Malformed as malformed:
            self.flood.note_malformed(now)
            self._refuse(malformed.error, malformed.id, malformed.session_id)
        except ApiError as error:
            self._refuse(error, getattr(frame, "id", None), getattr(frame, "session_id", None))

    def _refuse(self, error: ApiError, id: str | None, session_id: str | None) -> None:
        outbox = self.socket.outbox
        outbox.put(error_frame(frame_error(error, self.request_id), session_id=session_id, id=id))
        if self.flood.goes_on:
            outbox.close(CloseCode.FLOOD, "Too many frames")
        elif self.flood.is_malformed:
            outbox.close(CloseCode.MALFORMED, "Too many malformed frames")

    def _text(self, message: Message) -> str | None:
        outbox, most = self.socket.outbox, self.settings.frame_max_bytes
        text: str | None = message.get("text")
        if text is None:
            outbox.close(CloseCode.BINARY, "Text frames only")
        elif len(text) > most or (4 * len(text) > most and len(text.encode("utf-8", "surrogatepass")) > most):
            outbox.close(CloseCode.TOO_BIG, f"A frame may have {most} bytes")
            text = None
        return text

    async def _check_login(self, now: float) -> None:
        """Raises:
        Unauthorized: the login has ended since.
        """
        caller = await self.socket.current_caller(self.find_caller, now)
        if caller is None:
            raise Unauthorized
        self.socket.caller = caller


def frame_error(error: ApiError, request_id: str) -> ErrorObject:
    """The error of a frame, which has no headers: whether and when to try again stands in its details."""
    found = error_object(error, request_id)
    if isinstance(error, RateLimited | Unavailable):
        return with_details(found, retryable=True, retry_after_ms=error.retry_after * 1_000)
    if error.details.get("reason") == "busy":
        return with_details(found, retryable=True)
    return found


def with_details(error: ErrorObject, **details: object) -> ErrorObject:
    return msgspec.structs.replace(error, details={**error.details, **details})


async def write_all(socket: Socket, send: Send) -> None:
    """Send what comes until there is a close to send.

    A write that takes too long is cancelled by whoever sweeps the sockets.
    """
    with anyio.CancelScope() as socket.outbox.writing:
        await _write(socket.outbox, send)
    with anyio.move_on_after(CLOSE_TIMEOUT):
        await _close(socket, send)


async def _write(outbox: Outbox, send: Send) -> None:
    now = asyncio.get_running_loop().time
    while True:
        frame = outbox.take()
        if frame is None:
            if outbox.close_code is not None:
                return
            await outbox.filled()
            continue
        outbox.writing_since = now()
        await send({"type": "websocket.send", "text": frame if isinstance(frame, str) else frame.frame})
        outbox.writing_since = 0.0


async def _close(socket: Socket, send: Send) -> None:
    code, reason = socket.outbox.close_code or CloseCode.NORMAL, socket.outbox.close_reason
    if socket.is_stream:
        await send({"type": "websocket.send", "text": encoded(goodbye(code, reason))})
    await send({"type": "websocket.close", "code": int(code), "reason": reason})
