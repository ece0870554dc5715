"""Bounds on what one client may send: frames a second, and malformed frames."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MALFORMED_MOST = 5
MALFORMED_WINDOW = 60.0  # seconds


@dataclass(slots=True)
class Flood:
    """A token bucket, and a memory of malformed frames. Times in Unix seconds."""

    per_second: int
    burst: int
    _tokens: float = -1.0
    _filled_unix: float = 0.0
    _refused: int = 0
    _malformed: deque[float] = field(default_factory=deque)

    def take(self, now_unix: float) -> bool:
        """Whether one more frame is within the rate."""
        if self._tokens < 0:
            self._tokens, self._filled_unix = float(self.burst), now_unix
        gained = max(0.0, now_unix - self._filled_unix) * self.per_second
        self._tokens, self._filled_unix = min(self.burst, self._tokens + gained), now_unix
        if self._tokens < 1:
            self._refused += 1
            return False
        if self._tokens >= min(self.per_second, self.burst):
            self._refused = 0  # it was quiet for a second
        self._tokens -= 1
        return True

    @property
    def goes_on(self) -> bool:
        """Whether the client went on for another burst after it was told, without a second's pause."""
        return self._refused > self.burst

    def note_malformed(self, now_unix: float) -> None:
        self._malformed.append(now_unix)
        while now_unix - self._malformed[0] > MALFORMED_WINDOW:
            self._malformed.popleft()

    @property
    def is_malformed(self) -> bool:
        """Whether there were too many malformed frames lately."""
        return len(self._malformed) >= MALFORMED_MOST
