"""What the REST door of conversations takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from generalbots_api.conversations.events import MessageView

MAX_PAGE = 100
MAX_WAIT = 25
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]


class Start(msgspec.Struct):
    bot_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    initial_message: str | None = None


class StartedJson(msgspec.Struct):
    conversation_id: str
    session_id: str
    status: Literal["active"]


class ListQuery(msgspec.Struct):
    """`cursor` is the `next_cursor` of the page before."""

    limit: Limit = 50
    cursor: str | None = None
    bot_id: str | None = None
    status: Literal["active", "ended"] | None = None


class ConversationJson(msgspec.Struct):
    id: str
    bot_id: str
    bot_name: str
    last_message: MessageView | None
    last_activity: datetime
    status: Literal["active", "ended"]


class ConversationsJson(msgspec.Struct):
    conversations: list[ConversationJson]
    total: int
    next_cursor: str | None


class HistoryQuery(msgspec.Struct):
    """`before` and `after` take a `seq` or a time; at most one of them. `wait`: seconds to wait for something."""

    limit: Limit = 50
    before: str | None = None
    after: str | None = None
    wait: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0


class HistoryJson(msgspec.Struct):
    messages: list[MessageView]
    has_more: bool
    epoch: str
    seq: int


class Send(msgspec.Struct):
    content: str
    id: str | None = None
    metadata: dict[str, Any] = {}
    if_busy: Literal["queue", "interrupt", "reject"] = "queue"


class SentJson(msgspec.Struct, omit_defaults=True):
    """`reply` is there when it was waited for and came in time."""

    message_id: str
    timestamp: datetime
    status: Literal["delivered"]
    seq: int
    reply_id: str | None
    duplicate: bool
    reply: MessageView | None = None


class Cancel(msgspec.Struct):
    reply_id: str | None = None


class CancelledJson(msgspec.Struct):
    status: Literal["cancelled", "idle"]
