"""A clock that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 1, 20, 12, 0, tzinfo=UTC)


class ManualClock:
    """`generalbots_api.Clock` that stands still until it is told."""

    def __init__(self, at: datetime = NOON) -> None:
        self._now = at
        self._passed = 0.0

    def now(self) -> datetime:
        return self._now

    def unix(self) -> float:
        return self._now.timestamp()

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        """Go on, or back if `seconds` is negative: then only the time of day goes back."""
        self._now += timedelta(seconds=seconds)
        self._passed += max(0.0, seconds)
