"""proto3's JSON, as Zitadel's services speak it: what requests look like, and how answers are written.

A field that is not known here is refused, where Zitadel would pass over it: a
stand-in that keeps quiet about a misspelt field is of no use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from generalbots_api.backends.dev_directory.errors import ServiceError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
Json = dict[str, Any]
T = TypeVar("T")


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """lowerCamelCase outside; left out and null are the same."""


class OneOf(Message, frozen=True):
    """Exactly one field is set, as in proto's `oneof` where it is required."""

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in self.__struct_fields__) != 1:
            raise ValueError("exactly one field must be set")


class Empty(Message, frozen=True):
    pass


class Ids(Message, frozen=True):
    ids: tuple[str, ...] = ()


class Id(Message, frozen=True):
    id: str = ""


class Pagination(Message, frozen=True):
    offset: int | str = 0  # 64 bits: a string, or a number
    limit: int | str = 0
    asc: bool = False


class TextMethod(StrEnum):
    EQUALS = "TEXT_FILTER_METHOD_EQUALS"
    EQUALS_IGNORE_CASE = "TEXT_FILTER_METHOD_EQUALS_IGNORE_CASE"
    STARTS_WITH = "TEXT_FILTER_METHOD_STARTS_WITH"
    STARTS_WITH_IGNORE_CASE = "TEXT_FILTER_METHOD_STARTS_WITH_IGNORE_CASE"
    CONTAINS = "TEXT_FILTER_METHOD_CONTAINS"
    CONTAINS_IGNORE_CASE = "TEXT_FILTER_METHOD_CONTAINS_IGNORE_CASE"
    ENDS_WITH = "TEXT_FILTER_METHOD_ENDS_WITH"
    ENDS_WITH_IGNORE_CASE = "TEXT_FILTER_METHOD_ENDS_WITH_IGNORE_CASE"

    def fits(self, text: str, wanted: str) -> bool:
        if self.value.endswith("_IGNORE_CASE"):
            text, wanted = text.casefold(), wanted.casefold()
        tests: dict[str, Callable[[str, str], bool]] = {
            "EQUALS": str.__eq__,
            "STARTS": str.startswith,
            "CONTAINS": str.__contains__,
            "ENDS": str.endswith,
        }
        return tests[self.value.removeprefix("TEXT_FILTER_METHOD_").partition("_")[0]](text, wanted)


def decoded(body: bytes, kind: type[T]) -> T:
    """Raises:
    ServiceError: `invalid_argument`.
    """
    try:
        return msgspec.convert(_without_nulls(msgspec.json.decode(body, type=dict)), kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError("invalid_argument", f"unmarshal message: {error}") from None


def encoded(answer: Json) -> bytes:
    return msgspec.json.encode(without_zeros(answer))


def without_zeros(value: Any) -> Any:
    """Zero values and empty lists are left out, a message that is set is not; integers, all of 64 bits, are strings."""
    if isinstance(value, dict):
        return {key: without_zeros(one) for key, one in value.items() if one or isinstance(one, dict)}
    if isinstance(value, list):
        return [without_zeros(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return stamp(value) if isinstance(value, datetime) else value


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only if there is one."""
    return at.isoformat().removesuffix("+00:00") + "Z"


def paged(field: str, items: Sequence[object], pagination: Pagination | None) -> Json:
    """One page, oldest first or newest first; `items` come oldest first.

    Raises:
        ServiceError: the bounds are no numbers, or the limit is over the maximum.
    """
    wanted = pagination or Pagination()
    offset, limit = _whole(wanted.offset), _whole(wanted.limit) or DEFAULT_LIMIT
    if limit > MAX_LIMIT:
        raise ServiceError("invalid_argument", f"limit: {MAX_LIMIT} at most (QUERY-4M0fs)")
    ordered = items if wanted.asc else items[::-1]
    return {
        field: ordered[offset : offset + limit],
        "pagination": {"totalResult": len(ordered), "appliedLimit": limit},
    }


def check_length(field: str, text: str, least: int, most: int) -> None:
    """Raises:
    ServiceError: `invalid_argument`.
    """
    if not least <= len(text) <= most:
        raise ServiceError("invalid_argument", f"{field}: must have {least} to {most} characters")


def _whole(value: int | str) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ServiceError("invalid_argument", "pagination: not a whole number")
    return int(text)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
