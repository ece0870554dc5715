"""Messages of a conversation as values."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from generalbots_api.ids import BotId, BotSessionId, MessageId, UserId
from generalbots_api.sessions.model import BotSession

MAX_CLIENT_ID = 64
NODE_LEASE = "node:"
"""Prefix of the leases by which nodes show that they live; the rest of the name is the node's id."""
END = MessageId("end")
GREETING = MessageId("greeting")


class Sender(StrEnum):
    USER = "user"
    BOT = "bot"
    SYSTEM = "system"  # the end of the session, which has a place in the log and is not shown as a message


class MessageStatus(StrEnum):
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One stored message, as every door shows it.

    `seq` starts at 1 in each session and has no holes. Of the optional fields,
    those that are None are left out when it is shown.
    """

    message_id: MessageId
    session_id: BotSessionId
    seq: int
    sender: Sender
    content: str
    timestamp: datetime  # when it was stored; aware, UTC
    status: MessageStatus = MessageStatus.COMPLETED
    user_id: UserId | None = None  # of a user's message
    bot_id: BotId | None = None  # of a reply
    in_reply_to: MessageId | None = None  # of a reply: the user's message
    reply_id: MessageId | None = None  # of a user's message: the `message_id` that its reply has or will have
    id: str | None = None  # the client's own id of a user's message
    error: dict[str, Any] | None = None  # of a failed reply: the error object
    suggestions: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A user's message before it has its place in the log."""

    node: str = ""  # the node that answers it; kept, not shown
    message_id: MessageId
    reply_id: MessageId
    session_id: BotSessionId
    user_id: UserId
    content: str
    id: str | None = None
    metadata: dict[str, Any] = {}


class NewReply(msgspec.Struct, frozen=True, kw_only=True):
    """A finished reply before it has its place in the log."""

    message_id: MessageId
    session_id: BotSessionId
    bot_id: BotId
    in_reply_to: MessageId | None  # None: a greeting
    content: str
    status: MessageStatus = MessageStatus.COMPLETED
    error: dict[str, Any] | None = None
    suggestions: tuple[str, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where a log stands."""

    epoch: str  # the log's incarnation; changes when the log was lost or restored
    seq: int  # of the newest message; 0: none


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a send: the stored message, and whether it was there before."""

    message: Message
    duplicate: bool
    behind: int = 0  # of a user's new message: how many before it had no reply then
    remembers: bool = True  # of a user's new message: False if the bot certainly had no memory of the session then


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some messages in order of `seq`; `has_more` in the direction that was read."""

    messages: list[Message]
    has_more: bool
    head: Head


class SummaryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations of a user to list, and from where on."""

    user_id: UserId
    now: datetime  # decides which are active
    limit: int
    bot_id: BotId | None = None
    is_active: bool | None = None
    after: tuple[datetime, BotSessionId] | None = None  # `active_at` and id of the last one seen


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in a list."""

    session: BotSession
    active_at: datetime  # when its newest message was stored, or it was opened
    last: Message | None  # the newest message of a user or a bot


class Summaries(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations, the one with the newest activity first; of two at one instant, by id, highest first."""

    found: list[Summary]
    total: int  # of the query, wherever it begins
    has_more: bool
