"""Times as integers and values as JSON: how both lie in a column."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY = 86_400
_EXACT_BELOW = 2**52  # in the year 2112: up to here a float's error is less than half a microsecond

encode = msgspec.json.Encoder().encode
canonical = msgspec.json.Encoder(order="deterministic").encode


def micros(at: datetime) -> int:
    """Microseconds since 1970, exactly: floats of this size are not."""
    return micros_of(at - _EPOCH)


def micros_of(duration: timedelta) -> int:
    return (duration.days * _SECONDS_A_DAY + duration.seconds) * 1_000_000 + duration.microseconds


def instant(microseconds: int) -> datetime:
    if 0 <= microseconds < _EXACT_BELOW:
        return datetime.fromtimestamp(microseconds / 1e6, UTC)  # half the time of the sum below
    return _EPOCH + timedelta(microseconds=microseconds)


def as_json(value: object) -> str:
    return encode(value).decode()


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


def in_range(limit: int) -> int:
    """A LIMIT: a negative one would mean none."""
    return max(0, min(limit, MAX_INTEGER))
