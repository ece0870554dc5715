"""How long to wait before something is tried again. Source: spec, "Recommended Practices"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random

MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential, with full jitter: the wait before try n is random between 0 and `first * 2**n`, `longest` at most.

    Raises:
        ValueError: a bound that makes no sense.
    """

    first: float = 0.5  # seconds
    longest: float = 30.0  # seconds
    tries: int = 5  # in all, the first included; of requests only
    patience: float = 60.0  # seconds: a server that asks for a longer wait is not waited for

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.longest:
            raise ValueError("first must be from 0 to longest")
        if self.tries < 1:
            raise ValueError("tries must be at least 1")
        if self.patience < 0:
            raise ValueError("patience must not be negative")

    def delay(self, attempt: int, random: Random, *, at_least: float = 0.0) -> float:
        """Seconds to wait after the failed try `attempt` (from 0); what the server asked for comes on top."""
        bound = min(self.longest, self.first * 2 ** min(attempt, MAX_DOUBLINGS))
        return at_least + random.uniform(0, bound)


def asked_wait(headers: Mapping[str, str], now_unix: float) -> float | None:
    """The seconds that a 429 or 503 asks for: by `Retry-After`, else by `X-RateLimit-Reset`; None: it does not say.

    Points in time are read by the server's own clock when it tells that (`Date`),
    so that a client's clock that is wrong does no harm.
    """
    after = headers.get("retry-after", "").strip()
    if after.isdecimal() and after.isascii():
        return float(after[:9])
    now = _http_date(headers.get("date", "")) or now_unix
    if (until := _http_date(after)) is not None:
        return max(0.0, until - now)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isdecimal() and reset.isascii() and len(reset) < 12:
        return max(0.0, float(reset) - now)
    return None


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
