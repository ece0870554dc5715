"""What happens in a conversation, as values, and as the frames that every door shows of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from generalbots_api.conversations.model import Message, MessageStatus, Sender
from generalbots_api.ids import BotId, BotSessionId, MessageId, UserId

_encode = msgspec.json.Encoder().encode


class Started(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.start"):
    """A bot has begun to answer."""

    session_id: BotSessionId
    reply_id: MessageId
    in_reply_to: MessageId | None = None  # None: a greeting
    bot_id: BotId


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.delta"):
    """`merged` pieces of a running reply; `index` is that of the last, counted from 0."""

    session_id: BotSessionId
    reply_id: MessageId
    index: int
    merged: int = 1
    content: str

    def joined(self, next: Delta) -> Delta:
        """This one and the one that follows it, as one."""
        return Delta(
            session_id=self.session_id,
            reply_id=self.reply_id,
            index=next.index,
            merged=self.merged + next.merged,
            content=self.content + next.content,
        )


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message.snapshot"):
    """All of a running reply so far; `index` is that of the last piece in it, -1: none yet."""

    session_id: BotSessionId
    reply_id: MessageId
    index: int
    content: str


class Typing(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="typing"):
    """A bot is at work and has said nothing for a while. A hint: it may be left out, and is on this node only."""

    session_id: BotSessionId
    sender: Sender = Sender.BOT


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A whole stored message, a user's or a bot's; what it does not have is left out."""

    message_id: MessageId
    session_id: BotSessionId
    seq: int
    sender: Sender
    content: str
    status: MessageStatus
    suggestions: tuple[str, ...]
    metadata: dict[str, Any]
    timestamp: datetime
    user_id: UserId | UnsetType = UNSET
    bot_id: BotId | UnsetType = UNSET
    in_reply_to: MessageId | UnsetType = UNSET
    reply_id: MessageId | UnsetType = UNSET
    id: str | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class MessageFrame(MessageView, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A stored message as a frame."""


class SessionUpdated(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="session.updated"):
    """The session has ended; `reason` is "deleted", "expired" or "forbidden"."""

    session_id: BotSessionId
    status: str
    reason: str
    seq: int


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A message has its place in the log."""

    message: Message


View = TypeVar("View", bound=MessageView)
Happening = Started | Delta | Snapshot | Stored | Typing


class Event(msgspec.Struct, kw_only=True):
    """Something that happened, and its frame: encoded once, however many hear of it.

    `origin` is whoever caused it and knows already, on this node only.
    """

    what: Happening
    origin: object | None = None
    _frame: str | None = None
    _size: int = -1

    @property
    def frame(self) -> str:
        if self._frame is None:
            self._frame = frame_of(self.what)
        return self._frame

    @property
    def size(self) -> int:
        """Of the frame, in bytes of UTF-8."""
        if self._size < 0:
            self._size = size_of(self.frame)
        return self._size


def size_of(text: str) -> int:
    """In bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def frame_of(what: Happening) -> str:
    """As JSON, in the form of `gb.v1`; the end of the session is news, not a message."""
    if not isinstance(what, Stored):
        return _encode(what).decode()
    message = what.message
    if message.sender is Sender.SYSTEM:
        ended = SessionUpdated(session_id=message.session_id, status="ended", reason=message.content, seq=message.seq)
        return _encode(ended).decode()
    return _encode(shown(message, MessageFrame)).decode()


def shown(message: Message, as_: type[View]) -> View:
    """A stored message as clients see it."""
    return as_(
        message_id=message.message_id,
        session_id=message.session_id,
        seq=message.seq,
        sender=message.sender,
        content=message.content,
        status=message.status,
        suggestions=message.suggestions,
        metadata=message.metadata,
        timestamp=message.timestamp,
        user_id=UNSET if message.user_id is None else message.user_id,
        bot_id=UNSET if message.bot_id is None else message.bot_id,
        in_reply_to=UNSET if message.in_reply_to is None else message.in_reply_to,
        reply_id=UNSET if message.reply_id is None else message.reply_id,
        id=UNSET if message.id is None else message.id,
        error=UNSET if message.error is None else message.error,
    )
