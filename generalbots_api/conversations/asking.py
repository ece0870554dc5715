"""What a REST client asks for in headers and in the query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from generalbots_api.conversations.rules import MAX_SEQ
from generalbots_api.errors import InvalidRequest

MAX_WAIT = 60  # seconds of `Prefer: wait`
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*", re.IGNORECASE)


def client_id(in_body: str | None, in_header: str | None) -> str | None:
    """The client's own id of a message: `Idempotency-Key` and `id` are one thing.

    Raises:
        InvalidRequest: they say two things.
    """
    if in_header is None or in_body == in_header:
        return in_body
    if in_body is not None:
        raise InvalidRequest("The message is refused", fields={"Idempotency-Key": "is not the same as id"})
    return in_header


def preferred_wait(values: Sequence[str]) -> int:
    """The seconds of `Prefer: wait=30`, 60 at most; 0: none, or none that can be read (RFC 7240, section 4.3)."""
    for value in values:
        for preference in value.split(","):
            found = _WAIT.fullmatch(preference.partition(";")[0])
            if found:
                return min(int(found[1]), MAX_WAIT)
    return 0


def wants_events(accept: str) -> bool:
    """Whether the client asks for server-sent events by name."""
    return any(one.partition(";")[0].strip().lower() == "text/event-stream" for one in accept.split(","))


def place(field: str, text: str | None) -> int | datetime | None:
    """A `seq`, or an aware time.

    Raises:
        InvalidRequest: neither.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text[:20]) <= MAX_SEQ:
        return int(text)
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest(
            "The place is refused", fields={field: "must be a seq or a time like 2026-01-20T10:00:00Z"}
        )
    return at
