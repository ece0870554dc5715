"""The frames of `/ws` and why sockets are closed: values, no sockets."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Literal

import msgspec

from generalbots_api.conversations.events import MessageFrame, SessionUpdated, shown
from generalbots_api.conversations.model import Message, MessageStatus

_encode = msgspec.json.Encoder().encode

SUBPROTOCOL = "gb.v1"


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
    FORBIDDEN = 4403
    NO_PONG = 4408
    TOO_MANY_SOCKETS = 4409
    FLOOD = 4429
    SLOW = 4450


class SendFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A message to a bot. `session_id` may be left out at the plain level; `if_busy` is for `gb.v1`."""

    content: str
    session_id: str | None = None
    id: str | None = None
    metadata: dict[str, Any] = {}
    if_busy: Literal["queue", "interrupt", "reject"] = "queue"


class HeardOf(msgspec.Struct, frozen=True):
    """How much of a running reply the client has."""

    reply_id: str
    index: int


class SubscribeFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """`after_seq` left out: live only; 0: from the start."""

    session_id: str
    after_seq: Annotated[int, msgspec.Meta(ge=0)] | None = None
    epoch: str | None = None
    reply: HeardOf | None = None
    id: str | None = None


class UnsubscribeFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    session_id: str
    id: str | None = None


class CancelFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """`reply_id` left out: the running one."""

    session_id: str
    reply_id: str | None = None
    id: str | None = None


class AuthFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """Renews the login of a live socket; another token of the same user."""

    token: str
    id: str | None = None


class PingFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    id: str | None = None


class PongFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    id: str | None = None


ClientFrame = SendFrame | SubscribeFrame | UnsubscribeFrame | CancelFrame | AuthFrame | PingFrame | PongFrame


class Bounds(msgspec.Struct, frozen=True):
    frame_bytes: int
    content_chars: int
    frames_per_second: int


class HelloFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """The first frame of `gb.v1`, and the answer to `auth`."""

    protocol: str = SUBPROTOCOL
    connection_id: str
    user_id: str
    session_expires_at: datetime | None
    heartbeat_ms: int
    pong_timeout_ms: int
    limits: Bounds


class Running(msgspec.Struct, frozen=True):
    reply_id: str
    index: int  # of the last piece; -1: none yet


class SubscribedFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """`recovered` false: nothing is replayed, and the client reads the history."""

    session_id: str
    id: str | None
    epoch: str
    seq: int
    recovered: bool
    replayed: int
    running: Running | None


class UnsubscribedFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribed"):
    session_id: str
    id: str | None


class Rate(msgspec.Struct, frozen=True):
    """What is left of the caller's quota; `reset` in Unix seconds, rounded up."""

    limit: int
    remaining: int
    reset: int


class AckFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ack"):
    """The message is stored, durably."""

    id: str | None
    session_id: str
    message_id: str
    seq: int
    duplicate: bool
    reply_id: str | None
    rate: Rate | msgspec.UnsetType = msgspec.UNSET  # not told where the headers of the response tell it


class CancelledFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="cancelled"):
    """The answer to `cancel`: "cancelled", or "idle" when no reply was running."""

    session_id: str
    id: str | None
    status: Literal["cancelled", "idle"]


class ExpiringFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="session.expiring"):
    """The login ends soon."""

    expires_at: datetime


class GoodbyeFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="goodbye"):
    """The last frame before a close of the server's own."""

    code: int
    reason: str
    reconnect: bool
    retry_after_ms: int


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """What went wrong with a frame, or with the reply to it. Never closes the socket by itself."""

    error: Any
    session_id: str | None = None
    id: str | None = None  # the client's own id of its frame
    in_reply_to: str | None = None  # the message whose reply failed


ServerFrame = (
    HelloFrame
    | SubscribedFrame
    | UnsubscribedFrame
    | AckFrame
    | CancelledFrame
    | ExpiringFrame
    | GoodbyeFrame
    | ErrorFrame
)

PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'


def encoded(frame: ServerFrame | SessionUpdated) -> str:
    return _encode(frame).decode()


def error_frame(
    error: object, *, session_id: str | None = None, id: str | None = None, in_reply_to: str | None = None
) -> str:
    return encoded(ErrorFrame(error=error, session_id=session_id, id=id, in_reply_to=in_reply_to))


def reply_frame(message: Message) -> str:
    """A stored reply at the plain level: the message, or the error if it failed."""
    if message.status in (MessageStatus.FAILED, MessageStatus.INTERRUPTED):
        return error_frame(message.error, session_id=message.session_id, in_reply_to=message.in_reply_to)
    return _encode(shown(message, MessageFrame)).decode()
