"""The one decoder of JSON from clients: strict, for REST bodies and socket frames alike."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from generalbots_api.errors import InvalidRequest

MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
T = TypeVar("T")
_read = msgspec.json.Decoder().decode


def decode(body: bytes | str, type_: type[T]) -> T:
    """Decode UTF-8 JSON into a msgspec type. Unknown fields are ignored.

    Raises:
        InvalidRequest: not JSON, not of the type, or one of what the contract
            refuses: duplicate keys, NaN and Infinity, lone surrogates, NUL,
            integers past 64 bits, more than 32 levels.
    """
    try:
        return msgspec.convert(parse(body), type_)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def parse(body: bytes | str) -> Any:
    """The JSON value of `body`; refuses what `decode` refuses, but for the type."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        plain = _plain(text)
        if plain is not None:
            return plain
        value = _decode(text)
    except (ValueError, RecursionError) as error:
        reason = error.args[0] if isinstance(error, _Refused) else "not valid JSON in UTF-8"
        raise InvalidRequest(f"The body is refused: {reason}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH or "\\u" in text:
        _walk(value, MAX_DEPTH)
    return value


def _plain(text: str) -> dict[str, Any] | None:
    """The object, if it is one of text, true, false and null only, without escapes by number and colons in its text.

    Most frames of a chat are. In such a one nothing can be that is refused: a
    key that is there twice would leave one colon more than there are keys. What
    reads it is eight times as fast; None: it has to be looked at more closely.
    """
    if "\\u" in text:
        return None
    try:
        value = _read(text)
    except (ValueError, RecursionError):
        return None  # what is wrong with it the other one tells
    if type(value) is not dict or text.count(":") != len(value):
        return None
    for one in value.values():
        if type(one) is not str and one is not None and one is not True and one is not False:
            return None
    return value


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """The error of the contract for one of msgspec: the field and what is wrong with it."""
    text = str(error)
    at = _PATH.search(text)
    reason = _PATH.sub("", text)
    field = at[1] if at and at[1] else _missing_field(reason)
    if not field:
        return InvalidRequest(f"The request is refused: {reason}")
    return InvalidRequest(f"The field {field!r} is refused", fields={field: reason})


def _missing_field(reason: str) -> str | None:
    found = re.search(r"missing required field `([^`]+)`", reason)
    return found[1] if found else None


class _Refused(ValueError):
    """JSON that is well-formed and refused all the same."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("an object holds a key twice")
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not a JSON value")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused("a number is too large")
    return value


def _integer(text: str) -> int:
    value = int(text) if len(text) < 30 else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise _Refused("a number is too large")
    return value


_decode = json.JSONDecoder(  # made once: `json.loads` makes one at each call that has hooks
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
).decode


def _walk(value: Any, levels: int) -> None:
    """Refuse nesting past `levels`, and text that UTF-8 or a database cannot hold."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        if levels == 0:
            raise InvalidRequest(f"The body is refused: more than {MAX_DEPTH} levels")
        for key in value if isinstance(value, dict) else ():
            _check_text(key)
        for child in value.values() if isinstance(value, dict) else value:
            _walk(child, levels - 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidRequest("The body is refused: text must not hold NUL")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidRequest("The body is refused: text holds half of a surrogate pair") from None
