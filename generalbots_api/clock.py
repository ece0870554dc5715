"""The time, passed in so that tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """One instant, in the two forms that are needed. Not monotonic: it is the wall clock."""

    def now(self) -> datetime:
        """The time, aware, UTC."""

    def unix(self) -> float:
        """The same instant in Unix seconds: for the hot path, where a datetime costs too much."""


class SystemClock:
    """The machine's own clock."""

    unix = staticmethod(time.time)

    def now(self) -> datetime:
        return datetime.now(UTC)


def at_unix(seconds: float) -> datetime:
    """The aware UTC datetime of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC)
