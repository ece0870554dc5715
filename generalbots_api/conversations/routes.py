"""HTTP door to conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from generalbots_api.conversations.model import Message
from generalbots_api.conversations.service import Conversations
from generalbots_api.errors import Forbidden, InvalidRequest, NotFound
from generalbots_api.ids import BotSessionId
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import Reply, json_reply
from generalbots_api.web.request import ApiRequest

MAX_PAGE = 100
MAX_SEQ = 2**53
_OPTIONAL = ("user_id", "bot_id", "in_reply_to", "reply_id", "id", "error")


class HistoryQuery(msgspec.Struct):
    """`before` and `after` take a `seq` or a time; at most one of them."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50
    before: str | None = None
    after: str | None = None


class HistoryJson(msgspec.Struct):
    messages: list[Message]
    has_more: bool
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class ConversationRoutes:
    conversations: Conversations

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET",
                path="/api/conversations/{id}/history",
                handler=self.history,
                docs=Docs(query=HistoryQuery, gives=HistoryJson, raises=(InvalidRequest, Forbidden, NotFound)),
            )
        ]

    async def history(self, request: ApiRequest) -> Reply:
        """Read the log of a conversation, in order: its end, or what is before or after a place."""
        query = request.query(HistoryQuery)
        if query.before is not None and query.after is not None:
            raise InvalidRequest("Ask for before or after", fields={"before": "not together with after"})
        page = await self.conversations.history(
            request.caller,
            BotSessionId(request.path_param("id")),
            query.limit,
            before=place("before", query.before),
            after=place("after", query.after),
        )
        messages = [shown(message) for message in page.messages]
        return json_reply(
            {"messages": messages, "has_more": page.has_more, "epoch": page.head.epoch, "seq": page.head.seq}
        )


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


def shown(message: Message) -> dict[str, Any]:
    """A message without the optional fields that it does not have."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    for name in _OPTIONAL:
        if fields[name] is None:
            del fields[name]
    return fields
