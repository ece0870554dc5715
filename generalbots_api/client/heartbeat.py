"""Whether the other side still lives. Source: chat-protocol, "Bounds, and what happens past them", silence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Pulse(Enum):
    GOOD = auto()
    ASK = auto()  # send a ping
    DEAD = auto()


@dataclass(slots=True)
class Heartbeat:
    """Times are in seconds of one monotonic clock."""

    interval: float = 25.0
    patience: float = 10.0
    _heard_at: float = 0.0
    _asked: bool = False

    def heard(self, now: float) -> None:
        self._heard_at, self._asked = now, False

    def check(self, now: float) -> Pulse:
        if now >= self._heard_at + self.interval + self.patience:
            return Pulse.DEAD
        if now >= self._heard_at + self.interval and not self._asked:
            self._asked = True
            return Pulse.ASK
        return Pulse.GOOD

    @property
    def deadline(self) -> float:
        """When to check next."""
        return self._heard_at + self.interval + (self.patience if self._asked else 0.0)
