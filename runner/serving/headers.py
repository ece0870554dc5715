"""Headers of responses, checked before any of them is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

RawHeaders = list[tuple[bytes, bytes]]
_BREAKS = re.compile(rb"[\r\n\v\f\x00]")
_NAMES = re.compile(rb"(?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+\n)*")
"""Source: RFC 9110, 5.6.2."""


def checked(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The same, without white space around them. h2 would send a line break as it is; another server behind it splits.

    Raises:
        ValueError: a name or value has a line break or NUL in it, or a name is none, or one of HTTP/2's own.
    """
    made = [(bytes(name).strip(), bytes(value).strip()) for name, value in headers]
    if _BREAKS.search(b"".join([part for pair in made for part in pair])):
        raise ValueError("a response header has a line break in it")
    if not _NAMES.fullmatch(b"".join([name + b"\n" for name, _ in made])):
        raise ValueError("a response header has no name, or one that is HTTP's own")
    return made
