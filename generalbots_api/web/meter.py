"""Counts what the doors see, for the administrator."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator


def _bounds() -> Iterator[float]:
    """Upper bounds in milliseconds, each a tenth over the one before: the error of a quantile."""
    bound = 0.05
    while bound < 60_000:
        yield bound
        bound *= 1.1


class Meter:
    """Requests, errors and latencies since the start. Costs well under a microsecond a request."""

    def __init__(self) -> None:
        self.errors_total = 0  # answers of 500 and up
        self.rate_limited_total = 0
        self.messages_total = 0  # users' messages stored
        self.bounds = tuple(_bounds())
        self.buckets = [0] * (len(self.bounds) + 1)

    @property
    def requests_total(self) -> int:
        return sum(self.buckets)

    def count(self, status: int, elapsed_ms: float) -> None:
        if status >= 429:  # most are below both
            if status >= 500:
                self.errors_total += 1
            elif status == 429:
                self.rate_limited_total += 1
        self.buckets[bisect_left(self.bounds, elapsed_ms)] += 1

    def count_message(self) -> None:
        self.messages_total += 1

    def quantile(self, part: float) -> float:
        """The latency in ms that `part` of the requests stayed under, within a tenth; 0.0: none yet."""
        wanted = part * self.requests_total
        passed = 0
        for place, count in enumerate(self.buckets):
            passed += count
            if count and passed >= wanted:
                return self.bounds[min(place, len(self.bounds) - 1)]
        return 0.0
