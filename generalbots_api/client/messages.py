"""Conversations as values. Source: chat-protocol, "The log" and "REST"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.client.errors import Problem


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the log. `seq` counts from 1 in each session.

    `timestamp` is None only for a message of one's own that was just
    acknowledged: the acknowledgement does not tell it, the history does.
    """

    message_id: str
    session_id: str
    seq: int
    sender: str  # user, bot
    content: str
    timestamp: datetime | None = None
    status: str = "completed"  # completed, cancelled, failed, interrupted
    user_id: str | None = None
    bot_id: str | None = None
    in_reply_to: str | None = None
    reply_id: str | None = None
    id: str | None = None  # the sending client's own
    error: Problem | None = None
    suggestions: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message is stored. `duplicate`: it was before; `reply` is there if it was waited for and came in time."""

    message_id: str
    seq: int
    reply_id: str | None = None
    duplicate: bool = False
    timestamp: datetime | None = None
    reply: Message | None = None


class Started(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: str
    session_id: str
    status: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the list."""

    id: str
    bot_id: str
    bot_name: str = ""
    last_message: Message | None = None
    last_activity: datetime | None = None
    status: str = "active"


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    conversations: list[Summary]
    total: int
    next_cursor: str | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Messages in order of `seq`; `epoch` and `seq` tell where the log stands as a whole."""

    messages: list[Message]
    has_more: bool
    epoch: str
    seq: int


class Cancelled(msgspec.Struct, frozen=True):
    status: str  # cancelled, idle
