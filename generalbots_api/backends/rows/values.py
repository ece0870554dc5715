"""Times as integers and values as JSON: how both lie in a column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from generalbots_api.errors import InvalidRequest

MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY = 86_400
_EXACT_BELOW = 2**52  # in the year 2112: up to here a float's error is less than half a microsecond

_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode


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
    """Raises:
    InvalidRequest: there is text with a lone surrogate in it.
    """
    return _text(_encode, value)


def canonical_json(value: object) -> str:
    """The same text for equal values. Raises as `as_json` does."""
    return _text(_canonical, value)


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


def _text(encoder: Callable[[object], bytes], value: object) -> str:
    try:
        return encoder(value).decode()
    except UnicodeEncodeError:
        raise InvalidRequest("Text with a lone surrogate cannot be stored") from None


def in_range(limit: int) -> int:
    """A LIMIT: a negative one would mean none."""
    return max(0, min(limit, MAX_INTEGER))
