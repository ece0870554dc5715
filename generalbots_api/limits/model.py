"""Quotas and decisions about one request."""

from __future__ import annotations

import math

import msgspec

from generalbots_api.errors import Unavailable


class Quota(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """So many requests in a fixed window, which opens with the first one."""

    name: str  # "anonymous", "user" or "admin"
    limit: int
    window_seconds: int


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What the limiter said of one request."""

    allowed: bool
    limit: int
    remaining: int  # requests left in this window, never negative
    resets_unix: float

    def wait_seconds(self, now_unix: float) -> int:
        """Until the next window, in whole seconds, at least 1."""
        return max(1, math.ceil(self.resets_unix - now_unix))


class NotCounted(Unavailable):
    """The limiter is down and the settings say "closed". `RateLimits` has logged it already, once for all."""

    def __init__(self, quota: Quota, decision: Decision) -> None:
        super().__init__("Requests cannot be counted at the moment")
        self.quota = quota
        self.decision = decision  # what the headers tell: nothing remains
