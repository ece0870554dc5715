"""What waits to be sent to one socket: bounded, with one writer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import anyio

from generalbots_api.ws.model import CloseCode


@dataclass(slots=True)
class Outbox:
    """Frames in order, then at most one close. Nobody waits to put something in."""

    max_frames: int
    max_bytes: int
    close_code: CloseCode | None = None
    close_reason: str = ""
    _frames: deque[str] = field(default_factory=deque)
    _bytes: int = 0
    _filled: anyio.Event = field(default_factory=anyio.Event)

    def put(self, frame: str) -> None:
        """Queue a frame; past the bounds the socket is closed as too slow, and what waits is dropped."""
        if self.close_code is not None:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) > self.max_frames or self._bytes > self.max_bytes:
            self._frames.clear()
            self.close(CloseCode.SLOW, "The client does not read what is sent")
        self._filled.set()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close after what waits has been sent. The first close stands."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._filled.set()

    async def next(self) -> str | None:
        """The next frame; None: nothing is left but to close."""
        while not self._frames:
            if self.close_code is not None:
                return None
            self._filled = anyio.Event()
            await self._filled.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame
