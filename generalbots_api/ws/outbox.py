"""What waits to be sent to one socket: bounded, with one writer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import anyio

from generalbots_api.conversations.events import Delta, Event
from generalbots_api.ws.model import CloseCode


@dataclass(slots=True)
class Outbox:
    """Frames in order, then at most one close. A reader that is slow gets the pieces of a reply joined."""

    max_frames: int
    max_bytes: int
    close_code: CloseCode | None = None
    close_reason: str = ""
    _frames: deque[str | Event] = field(default_factory=deque)
    _bytes: int = 0
    _filled: anyio.Event | None = None  # somebody waits for a frame
    _emptied: anyio.Event | None = None  # somebody waits for room

    @property
    def is_half_full(self) -> bool:
        return 2 * len(self._frames) >= self.max_frames or 2 * self._bytes >= self.max_bytes

    def put(self, frame: str | Event) -> None:
        """Queue a frame; past the bounds the socket is closed as too slow, and what waits is dropped."""
        if self.close_code is not None:
            return
        size = len(frame if isinstance(frame, str) else frame.frame)
        if self._frames and isinstance(frame, Event) and isinstance(frame.what, Delta) and self._join(frame.what):
            self._bytes += len(frame.what.content)
        else:
            self._frames.append(frame)
            self._bytes += size
        if len(self._frames) > self.max_frames or self._bytes > self.max_bytes:
            self._frames.clear()
            self.close(CloseCode.SLOW, "The client does not read what is sent")
        if self._filled is not None:
            self._filled.set()

    async def put_patiently(self, frame: str | Event) -> None:
        """Queue a frame when the reader has room for it: for what happened before."""
        while self.is_half_full and self.close_code is None:
            self._emptied = self._emptied or anyio.Event()
            await self._emptied.wait()
        self.put(frame)

    def close(self, code: CloseCode, reason: str) -> None:
        """Close after what waits has been sent. The first close stands."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            for waiting in (self._filled, self._emptied):
                if waiting is not None:
                    waiting.set()

    async def next(self) -> str | Event | None:
        """The next thing to send; None: nothing is left but to close."""
        while not self._frames:
            if self.close_code is not None:
                return None
            self._filled = anyio.Event()
            await self._filled.wait()
        self._filled = None
        frame = self._frames.popleft()
        self._bytes = self._bytes - len(frame if isinstance(frame, str) else frame.frame) if self._frames else 0
        if self._emptied is not None and not self.is_half_full:
            self._emptied.set()
            self._emptied = None
        return frame

    def _join(self, delta: Delta) -> bool:
        """Add a piece to one of the same reply that waits still, if the reader is behind."""
        last = self._frames[-1]
        if not self.is_half_full or not isinstance(last, Event) or not isinstance(last.what, Delta):
            return False
        if last.what.reply_id != delta.reply_id or last.what.index != delta.index - delta.merged:
            return False
        self._frames[-1] = Event(what=last.what.joined(delta))
        return True
