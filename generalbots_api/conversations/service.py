"""Conversations: sending, and reading the log. Every door comes through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from generalbots_api.bots.service import Bots
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.conversations.answering import failure, reply_id_of
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.model import Added, Message, MessageStatus, NewMessage, NewReply, Page
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.rules import check_message
from generalbots_api.conversations.turns import Job, Turns
from generalbots_api.ids import BotId, BotSessionId, MessageId, new_id
from generalbots_api.locks import KeyedLocks
from generalbots_api.sessions.service import BotSessions

RECOVER_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a client sends, whatever the door."""

    session_id: BotSessionId
    content: str
    id: str | None = None  # makes the send safe to repeat
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversations:
    """The log of each bot session, and the replies that are being written to it."""

    sessions: BotSessions
    bots: Bots
    log: ConversationLog
    feed: Feed
    turns: Turns
    clock: Clock
    max_chars: int
    count_message: Callable[[], None]
    _order: KeyedLocks = field(default_factory=KeyedLocks)

    async def send(self, caller: Caller, sending: Sending, request_id: str) -> Added:
        """Store a message and have the bot answer it; it is durable when this returns.

        Raises:
            InvalidRequest: content, id or metadata out of bounds.
            NotFound: no such session, or it has ended.
            Forbidden: somebody else's session, or a bot that the caller may no longer use.
            Conflict: the id was used with other content, or too many messages wait (`reason` "busy").
        """
        check_message(sending.content, sending.id, sending.metadata, self.max_chars)
        session = await self.sessions.active(caller, sending.session_id)
        bot = await self.bots.permitted(caller, session.bot_id)
        self.turns.reserve(session.id)
        is_started = False
        try:
            async with self._order.hold(session.id):  # turns run in the order of `seq`
                added = await self._add(caller, sending)
                if not added.duplicate:
                    self.turns.start(Job(added.message, bot, caller, request_id))
                    is_started = True
        finally:
            if not is_started:
                self.turns.release(session.id)
        if not added.duplicate:
            self.count_message()
            await self.feed.tell(added.message)
        return added

    async def _add(self, caller: Caller, sending: Sending) -> Added:
        message = NewMessage(
            message_id=MessageId(new_id()),
            reply_id=MessageId(new_id()),
            session_id=sending.session_id,
            user_id=caller.user_id,
            content=sending.content,
            id=sending.id,
            metadata=sending.metadata,
        )
        return await self.log.add_message(message, 1_000, self.clock.now())

    async def history(
        self,
        caller: Caller,
        session_id: BotSessionId,
        limit: int,
        *,
        before: int | datetime | None = None,
        after: int | datetime | None = None,
    ) -> Page:
        """A page of the log, in order of `seq`: the last one, or that before or after a `seq` or a time.

        Raises:
            NotFound: there is no such session.
            Forbidden: it is somebody else's.
        """
        session = await self.sessions.own(caller, session_id)
        if after is not None:
            return await self.log.after(session.id, await self._seq(session.id, after), limit)
        if isinstance(before, datetime):
            before = await self.log.seq_at(session.id, before) + 1
        return await self.log.before(session.id, before, limit)

    async def _seq(self, id: BotSessionId, place: int | datetime) -> int:
        return place if isinstance(place, int) else await self.log.seq_at(id, place)

    async def recover(self) -> int:
        """Give every message that a crash left without a reply one that says so; at start, before any turn.

        Only one node may do this, and only while no other runs turns.
        """
        count = 0
        while lost := await self.log.lost(self.clock.now(), RECOVER_AT_ONCE):
            for message in lost:
                await self._interrupt(message)
            count += len(lost)
        return count

    async def _interrupt(self, message: Message) -> None:
        session = await self.sessions.store.get(message.session_id)
        reply = NewReply(
            message_id=reply_id_of(message),
            session_id=message.session_id,
            bot_id=session.bot_id if session else BotId(""),
            in_reply_to=message.message_id,
            content="",
            status=MessageStatus.INTERRUPTED,
            error=failure("The answer was cut off", "interrupted"),
        )
        await self.log.add_reply(reply, None, self.clock.now())
