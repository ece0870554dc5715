"""What keeps the stores in memory bounded, and as strict as those on disk."""

from __future__ import annotations

import msgspec

from generalbots_api.errors import Conflict, InvalidRequest, Unavailable


def check_text(value: object) -> None:
    """Raises:
    InvalidRequest: some text in `value` has a lone surrogate, which no database can hold.
    """
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise InvalidRequest("Text with a lone surrogate cannot be stored") from None


def check_new(is_known: bool) -> None:
    """Raises:
    Conflict: the id is taken.
    """
    if is_known:
        raise Conflict("This id is taken")


def check_room(count: int, most: int) -> None:
    """Raises:
    Unavailable: there are `most` already.
    """
    if count >= most:
        raise Unavailable("The storage in memory is full", retry_after=60)
