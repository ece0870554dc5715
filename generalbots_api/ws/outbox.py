"""What waits to be sent to one socket: bounded, with one writer."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import anyio
import msgspec

from generalbots_api.conversations.events import Delta, Event, Happening, Typing, size_of
from generalbots_api.ws.model import CloseCode


@dataclass(slots=True)
class Outbox:
    """Frames in order, then at most one close. A reader that is slow gets the pieces of a reply joined."""

    max_frames: int
    max_bytes: int
    close_code: CloseCode | None = None
    close_reason: str = ""
    _frames: deque[tuple[str | Event, int]] = field(default_factory=deque)  # each with its size in bytes
    _bytes: int = 0
    writing: anyio.CancelScope | None = None  # of its writer; cancelled when a write takes too long
    writing_since: float = 0.0  # by the event loop's clock; 0: no write is under way
    _filled: asyncio.Future[None] | None = None  # its writer waits for a frame; cheaper than an event for each
    _emptied: anyio.Event | None = None  # somebody waits for room

    @property
    def is_half_full(self) -> bool:
        return 2 * len(self._frames) >= self.max_frames or 2 * self._bytes >= self.max_bytes

    def put(self, frame: str | Event) -> None:
        """Queue a frame; past the bounds the socket is closed as too slow, and what waits is dropped.

        A frame counts for a quarter of the bytes at most, as one reply alone may be longer than all of them.
        """
        if self.close_code is not None:
            return
        frames = self._frames
        # `is_half_full` is written out: each event to each socket comes here
        is_behind = 2 * len(frames) >= self.max_frames or 2 * self._bytes >= self.max_bytes
        if not (is_behind and isinstance(frame, Event) and self._is_spared(frame.what)):
            size = size_of(frame) if isinstance(frame, str) else frame.size
            frames.append((frame, size))
            self._bytes += min(size, self.max_bytes // 4)
        if len(frames) > self.max_frames or self._bytes > self.max_bytes:
            frames.clear()
            self.close(CloseCode.SLOW, "The client does not read what is sent")
        if self._filled is not None:
            self._wake()

    async def room(self) -> None:
        """Return when the reader has room, or the socket is closed: for what happened before."""
        while self.is_half_full and self.close_code is None:
            self._emptied = self._emptied or anyio.Event()
            await self._emptied.wait()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close after what waits has been sent. The first close stands."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._wake()
            if self._emptied is not None:
                self._emptied.set()

    def give_up_on(self, now: float, timeout: float) -> None:
        """Cancel a write that has taken too long; `now` by the event loop's clock."""
        if self.writing is not None and self.writing_since and now - self.writing_since >= timeout:
            self.close(CloseCode.SLOW, "The client does not read what is sent")
            self.writing.cancel()

    async def next(self) -> str | Event | None:
        """The next thing to send; None: nothing is left but to close."""
        while (frame := self.take()) is None:
            if self.close_code is not None:
                return None
            await self.filled()
        return frame

    def take(self) -> str | Event | None:
        """The next thing to send; None: nothing waits."""
        if not self._frames:
            return None
        frame, size = self._frames.popleft()
        self._bytes = self._bytes - min(size, self.max_bytes // 4) if self._frames else 0
        if self._emptied is not None and not self.is_half_full:
            self._emptied.set()
            self._emptied = None
        return frame

    async def filled(self) -> None:
        """Return when there is something to send again, or a close."""
        self._filled = asyncio.get_running_loop().create_future()
        await self._filled

    def _wake(self) -> None:
        filled, self._filled = self._filled, None
        if filled is not None and not filled.done():
            filled.set_result(None)

    def _is_spared(self, what: Happening) -> bool:
        """Whether a reader who is behind does without it, or gets it with what waits already."""
        return isinstance(what, Typing) or (bool(self._frames) and isinstance(what, Delta) and self._join(what))

    def _join(self, delta: Delta) -> bool:
        """Add a piece to one of the same reply that waits still."""
        last, size = self._frames[-1]
        if not isinstance(last, Event) or not isinstance(last.what, Delta):
            return False
        if last.what.reply_id != delta.reply_id or last.what.index != delta.index - delta.merged:
            return False
        joined, most = size + len(msgspec.json.encode(delta.content)), self.max_bytes // 4  # escapes and all
        self._bytes += min(joined, most) - min(size, most)
        self._frames[-1] = Event(what=last.what.joined(delta)), joined
        return True
