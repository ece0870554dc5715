"""The frames of `gb.v1`, as a client reads and writes them. Source: chat-protocol, "The socket"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.client.errors import BadAnswer, Problem
from generalbots_api.client.messages import Message
from generalbots_api.client.model import Rate

SUBPROTOCOL = "gb.v1"
_encode = msgspec.json.Encoder().encode


class Limits(msgspec.Struct, frozen=True):
    frame_bytes: int = 65_536
    content_chars: int = 32_000
    frames_per_second: float = 20.0


class Hello(msgspec.Struct, frozen=True):
    heartbeat_ms: int = 25_000
    pong_timeout_ms: int = 10_000
    limits: Limits = Limits()


class Running(msgspec.Struct, frozen=True):
    reply_id: str
    index: int = -1


class Subscribed(msgspec.Struct, frozen=True):
    session_id: str
    epoch: str
    seq: int
    recovered: bool = True
    id: str | None = None
    running: Running | None = None


class Ack(msgspec.Struct, frozen=True):
    id: str
    session_id: str
    message_id: str
    seq: int
    duplicate: bool = False
    reply_id: str | None = None
    rate: Rate | None = None


class Start(msgspec.Struct, frozen=True):
    session_id: str
    reply_id: str
    in_reply_to: str | None = None
    bot_id: str | None = None


class Delta(msgspec.Struct, frozen=True):
    """`index` is that of the last of the `merged` pieces in it."""

    session_id: str
    reply_id: str
    index: int
    content: str
    merged: int = 1


class Snapshot(msgspec.Struct, frozen=True):
    session_id: str
    reply_id: str
    index: int
    content: str


class Updated(msgspec.Struct, frozen=True):
    session_id: str
    status: str
    reason: str | None = None
    seq: int | None = None


class Expiring(msgspec.Struct, frozen=True):
    expires_at: datetime | None = None


class Failure(msgspec.Struct, frozen=True):
    error: Problem
    id: str | None = None
    session_id: str | None = None


class Goodbye(msgspec.Struct, frozen=True):
    code: int = 1012
    reason: str = ""
    reconnect: bool = True
    retry_after_ms: int = 0


class Ping(msgspec.Struct, frozen=True):
    pass


class Pong(msgspec.Struct, frozen=True):
    pass


ServerFrame = (
    Hello | Subscribed | Ack | Start | Delta | Snapshot | Message | Updated | Expiring | Failure | Goodbye | Ping | Pong
)


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head).decode
_KINDS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "hello": Hello,
        "subscribed": Subscribed,
        "ack": Ack,
        "message.start": Start,
        "message.delta": Delta,
        "message.snapshot": Snapshot,
        "message": Message,
        "session.updated": Updated,
        "session.expiring": Expiring,
        "error": Failure,
        "goodbye": Goodbye,
        "ping": Ping,
        "pong": Pong,
    }.items()
}


def read_frame(text: str) -> ServerFrame | None:
    """The frame; None for a kind that is of no interest, or not known yet.

    Raises:
        BadAnswer: not a frame.
    """
    try:
        kind = _KINDS.get(_head(text).type)
        frame: ServerFrame | None = None if kind is None else kind.decode(text)
    except msgspec.DecodeError as error:
        raise BadAnswer(f"a frame that is none: {error}") from error
    return frame


def frame(type: str, **fields: Any) -> str:
    """A client's frame; fields that are None are left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    return _encode({"type": type, **present}).decode()
