"""JSON of the Directory, read strictly: one object, no key twice, no NaN, no text that no storage keeps."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def strict_object(raw: bytes) -> Json:
    """Raises:
    ValueError: it is something else.
    """
    text = raw.decode("utf-8")
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
        if "\\u" in text:  # the only way in for what is refused here, as raw bytes cannot spell it
            _check_text(found)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice")
    return value


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_text(value: object) -> None:
    """NUL and lone surrogates fail later, in a database or on a socket."""
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise ValueError("NUL or half a character")
    if isinstance(value, dict):
        for key, one in value.items():
            _check_text(key)
            _check_text(one)
    elif isinstance(value, list):
        for one in value:
            _check_text(one)
