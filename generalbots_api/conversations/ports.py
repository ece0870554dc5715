"""What conversations need from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from generalbots_api.conversations.model import (
    Added,
    Head,
    Message,
    NewMessage,
    NewReply,
    Page,
    Summaries,
    SummaryQuery,
)
from generalbots_api.ids import BotSessionId, MessageId


class ConversationLog(Protocol):
    """The append-only log of each session. Each method is atomic; none looks at the clock.

    `seq` is given in the transaction that stores the message, and what a
    method has returned is durable. A `timestamp` is `now`, or that of the
    message before it if the clock has gone back since. A backend that cannot be reached raises
    `Unavailable`.
    """

    async def add_message(self, message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        """Store a user's message, unless more than `most_waiting` of the session have no reply yet.

        The same client `id` in the same session with the same content and
        metadata gives the stored one again, as a duplicate, however many wait.

        Raises:
            Conflict: the `id` was used with other content (`reason` "id_reused"), or
                too many wait ("busy").
        """

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        """Store a reply and, unless None, the bot's memory of the session, in one step.

        A reply whose `message_id` is there already is returned as a duplicate,
        and nothing is changed.
        """

    async def add_end(self, session_id: BotSessionId, reason: str, now: datetime, /) -> Added:
        """Store the end of the session: a message of the system, id `END`, with `reason` as its content.

        A second one is a duplicate.
        """

    async def head(self, session_id: BotSessionId, /) -> Head:
        """An unknown session has `seq` 0."""

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        """The first `limit` messages past `seq`."""

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        """The last `limit` messages before `seq` (None: of all), in order of `seq`."""

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        """The `seq` of the last message stored before `at`; 0: none."""

    async def by_client_id(self, session_id: BotSessionId, id: str, /) -> Message | None:
        """The user's message that was sent with this id of the client's own."""

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None: ...

    async def lost(self, now: datetime, limit: int, /) -> list[Message]:
        """Users' messages, of any session, without a reply, whose node holds no lease any more; oldest first.

        The lease of a node is the one named `NODE_LEASE` and its id.
        """

    async def behind(self, session_id: BotSessionId, seq: int, /) -> int:
        """How many of the users' messages before `seq` have no reply yet."""

    async def summaries(self, query: SummaryQuery, /) -> Summaries:
        """A user's conversations, those that no message was sent in included."""

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        """The bot's memory of the session; empty if there is none."""
