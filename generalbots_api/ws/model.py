"""The frames of `/ws` at the plain level, and why sockets are closed: values, no sockets."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from generalbots_api.conversations.model import Message, MessageStatus, Sender

_encode = msgspec.json.Encoder().encode


class CloseCode(IntEnum):
    """Source: chat-protocol, "Close codes"."""

    NORMAL = 1000
    BINARY = 1003
    TOO_BIG = 1009
    SERVER_ERROR = 1011
    RESTART = 1012
    FULL = 1013
    MALFORMED = 4400
    LOGIN_ENDED = 4401
    TOO_MANY_SOCKETS = 4409
    FLOOD = 4429
    SLOW = 4450


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sends. `type` is "message" or "ping"; the rest belongs to a message."""

    type: str
    content: str | None = None
    session_id: str | None = None
    id: str | None = None
    metadata: dict[str, Any] = {}


class MessageFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A bot's whole message."""

    sender: Sender
    content: str
    session_id: str
    message_id: str
    seq: int
    timestamp: str
    status: MessageStatus
    bot_id: str | None
    in_reply_to: str | None
    suggestions: tuple[str, ...]


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """What went wrong with a frame, or with the reply to it. Never closes the socket by itself."""

    error: Any
    session_id: str | None = None
    id: str | None = None  # the client's own id of its message
    in_reply_to: str | None = None  # the message whose reply failed


PONG = '{"type":"pong"}'


def error_frame(
    error: object, *, session_id: str | None = None, id: str | None = None, in_reply_to: str | None = None
) -> str:
    return _encode(ErrorFrame(error=error, session_id=session_id, id=id, in_reply_to=in_reply_to)).decode()


def reply_frame(message: Message) -> str:
    """The frame of a stored reply: the message, or the error if it failed."""
    if message.status in (MessageStatus.FAILED, MessageStatus.INTERRUPTED):
        return error_frame(message.error, session_id=message.session_id, in_reply_to=message.in_reply_to)
    fields = msgspec.to_builtins(message)
    names = MessageFrame.__struct_fields__
    return _encode(MessageFrame(**{name: fields[name] for name in names})).decode()
