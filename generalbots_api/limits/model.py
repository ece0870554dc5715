"""Quotas and decisions about one request."""

from __future__ import annotations

import math

import msgspec


class Quota(msgspec.Struct, frozen=True, gc=False):
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

    @property
    def reset_unix(self) -> int:
        """The reset in whole Unix seconds, rounded up so that nobody retries early.

        Source: spec, "Rate Limiting", header X-RateLimit-Reset.
        """
        return math.ceil(self.resets_unix)
