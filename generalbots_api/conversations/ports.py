"""What conversations need from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from generalbots_api.conversations.model import Added, Head, Message, NewMessage, NewReply, Page
from generalbots_api.ids import BotSessionId, MessageId


class ConversationLog(Protocol):
    """The append-only log of each session. Each method is atomic; none looks at the clock.

    `seq` is given in the transaction that stores the message, and what a
    method has returned is durable. A `timestamp` is `now`, or that of the
    message before it if the clock has gone back since. A backend that cannot be reached raises
    `Unavailable`.
    """

    async def add_message(self, message: NewMessage, now: datetime, /) -> Added:
        """Store a user's message.

        The same client `id` in the same session with the same content and
        metadata gives the stored one again, as a duplicate.

        Raises:
            Conflict: the `id` was used with other content.
        """

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        """Store a reply and, unless None, the bot's memory of the session, in one step.

        A reply whose `message_id` is there already is returned as a duplicate,
        and nothing is changed.
        """

    async def head(self, session_id: BotSessionId, /) -> Head:
        """An unknown session has `seq` 0."""

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        """The first `limit` messages past `seq`."""

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        """The last `limit` messages before `seq` (None: of all), in order of `seq`."""

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        """The `seq` of the last message stored before `at`; 0: none."""

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None: ...

    async def unanswered(self, limit: int, /) -> list[Message]:
        """Users' messages, of any session, that have no reply yet, oldest first."""

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        """The bot's memory of the session; empty if there is none."""
