"""The headers that tell a client where it stands with its quota."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from generalbots_api.limits.model import Decision, Quota

SMALL = 10_001
_DIGITS = [b"%d" % number for number in range(SMALL)]  # formatting costs more than a look-up
FixedHeaders = tuple[tuple[bytes, bytes], ...]


class RateHeaders:
    """Source: spec, "Rate Limiting"; draft-ietf-httpapi-ratelimit-headers for the two without X.

    What does not change from one request to the next is encoded ahead.
    """

    def __init__(self, quotas: list[Quota]) -> None:
        self._fixed = {
            quota.name: (
                (b"x-ratelimit-limit", str(quota.limit).encode()),
                (b"ratelimit-policy", f'"{quota.name}";q={quota.limit};w={quota.window_seconds}'.encode()),
                f'"{quota.name}";r='.encode(),
            )
            for quota in quotas
        }

    def of(self, quota: Quota, decision: Decision, now_unix: float) -> FixedHeaders:
        limit, policy, prefix = self._fixed[quota.name]
        remaining, seconds = decision.remaining, ceil(decision.resets_unix - now_unix)
        rest = _DIGITS[remaining] if 0 <= remaining < SMALL else digits(remaining)
        left = _DIGITS[seconds] if 0 <= seconds < SMALL else digits(seconds)
        return (
            limit,
            (b"x-ratelimit-remaining", rest),
            _reset(ceil(decision.resets_unix)),  # up, so that nobody retries early
            policy,
            (b"ratelimit", prefix + rest + b";t=" + left),
        )


@lru_cache(maxsize=4_096)  # by default a window has no more seconds
def _reset(unix: int) -> tuple[bytes, bytes]:
    return b"x-ratelimit-reset", b"%d" % unix


def digits(number: int) -> bytes:
    """`number` in decimal, 0 if it is negative."""
    return b"%d" % number if number > 0 else b"0"
