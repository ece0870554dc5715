"""No more frames than the server takes: it closes the sockets of those who flood it."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.8  # of what the server takes; the rest is for pings, cancelling and subscribing


@dataclass(slots=True)
class Pace:
    """Times are in seconds of one monotonic clock."""

    frames_per_second: float = 20.0
    _used: float = 0.0  # of one second's frames
    _at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether a frame may go now; then it counts."""
        self._used, self._at = max(0.0, self._used - (now - self._at) * self._rate), now
        if self._used + 1 > max(1.0, self._rate):
            return False
        self._used += 1
        return True

    def next_at(self, now: float) -> float:
        """When the next frame may go, if none may now."""
        return now + max(0.001, (self._used + 1 - max(1.0, self._rate)) / self._rate)

    @property
    def _rate(self) -> float:
        return max(0.1, self.frames_per_second * SHARE)
