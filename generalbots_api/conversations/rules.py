"""What a message may look like, over every door."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from generalbots_api.errors import InvalidRequest

MAX_SEQ = 2**53
MAX_METADATA_BYTES = 16_384
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def check_message(content: str, id: str | None, metadata: dict[str, Any], max_chars: int) -> None:
    """Source: chat-protocol, "The log" and "Bounds".

    Raises:
        InvalidRequest: naming each field that is out of bounds.
    """
    wrong = {}
    if not 1 <= len(content) <= max_chars:
        wrong["content"] = f"must be 1 to {max_chars} characters"
    elif "\x00" in content:
        wrong["content"] = "must not hold NUL"
    if id is not None and not _CLIENT_ID.fullmatch(id):
        wrong["id"] = "must be 1 to 64 of A-Z a-z 0-9 . _ : -"
    if metadata and len(msgspec.json.encode(metadata)) > MAX_METADATA_BYTES:
        wrong["metadata"] = f"must be at most {MAX_METADATA_BYTES} bytes as JSON"
    if wrong:
        raise InvalidRequest("The message is refused", fields=wrong)
