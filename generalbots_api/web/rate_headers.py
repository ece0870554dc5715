"""The headers that tell a client where it stands with its quota."""

from __future__ import annotations

import math

from generalbots_api.limits.model import Decision, Quota
from generalbots_api.web.errors import RawHeaders

SMALL = 10_001
_DIGITS = [b"%d" % number for number in range(SMALL)]  # formatting costs more than a look-up


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

    def of(self, quota: Quota, decision: Decision, now_unix: float) -> RawHeaders:
        limit, policy, prefix = self._fixed[quota.name]
        remaining = digits(decision.remaining)
        resets = math.ceil(decision.resets_unix)  # up, so that nobody retries early
        left = digits(math.ceil(decision.resets_unix - now_unix))
        return [
            limit,
            (b"x-ratelimit-remaining", remaining),
            (b"x-ratelimit-reset", b"%d" % resets),
            policy,
            (b"ratelimit", prefix + remaining + b";t=" + left),
        ]


def digits(number: int) -> bytes:
    """`number` in decimal, 0 if it is negative."""
    if 0 <= number < SMALL:
        return _DIGITS[number]
    return b"%d" % number if number > 0 else b"0"
