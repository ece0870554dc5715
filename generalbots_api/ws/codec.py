"""From the text of a frame to what it says."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from generalbots_api.errors import InvalidRequest
from generalbots_api.web.strict_json import invalid, parse
from generalbots_api.ws.model import ClientFrame

_KINDS: dict[Any, Any] = {kind.__struct_config__.tag: kind for kind in get_args(ClientFrame)}
"""By `type`: to have the right one of all found by each frame is ten times as dear."""


class Malformed(Exception):
    """A frame that cannot be read; `id` and `session_id` are those that it seems to have."""

    def __init__(self, error: InvalidRequest, id: str | None, session_id: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.id = id
        self.session_id = session_id


def decode_frame(text: str) -> ClientFrame:
    """Raises:
    Malformed: it is not JSON, or no frame that a client sends.
    """
    value: Any = None
    try:
        value = parse(text)
        frame: ClientFrame = msgspec.convert(value, _kind_of(value))
    except InvalidRequest as error:
        raise Malformed(error, None, None) from None
    except msgspec.ValidationError as error:
        raise Malformed(invalid(error), _text(value, "id"), _text(value, "session_id")) from None
    return frame


def _kind_of(value: object) -> Any:
    """The type to read it as: one of them, or, where it says none of ours, all of them, for what is wrong with it."""
    name = value.get("type") if isinstance(value, dict) else None
    return _KINDS.get(name, ClientFrame) if isinstance(name, str) else ClientFrame


def _text(value: object, name: str) -> str | None:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None
