"""The time, passed in so that tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day, in the two forms that are needed, and one that only goes on."""

    def now(self) -> datetime:
        """The time, aware, UTC."""

    def unix(self) -> float:
        """The same instant in Unix seconds: for the hot path, where a datetime costs too much."""

    def monotonic(self) -> float:
        """Seconds since some instant, never going back: for durations within one process."""


class SystemClock:
    """The machine's own clock."""

    unix = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        return datetime.now(UTC)


def at_unix(seconds: float) -> datetime:
    """The aware UTC datetime of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC)
