"""Conversations: sending, stopping, ending. Every door comes through here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Literal

import anyio

from generalbots_api.bots.ports import Bot, Greets
from generalbots_api.bots.service import Bots
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.conversations.control import Control
from generalbots_api.conversations.events import Stored
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.following import Follower, Sink, Spawn
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.model import GREETING, Added, Message, NewMessage
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.rules import MAX_SEQ, check_message
from generalbots_api.conversations.sending import Asked, Sending, unheard
from generalbots_api.conversations.turns import Turns
from generalbots_api.errors import ApiError, Conflict, Forbidden, InvalidRequest, NotFound
from generalbots_api.ids import BotId, BotSessionId, MessageId, new_id
from generalbots_api.locks import KeyedLocks
from generalbots_api.sessions.model import BotSession
from generalbots_api.sessions.service import BotSessions

log = logging.getLogger("generalbots_api.conversations")

SETTLE_DELAYS = (0.05, 0.5, 5.0, 15.0, 60.0)
"""Seconds between looks for a message whose storing may have failed, or whose sender has gone meanwhile."""
STOP_TIMEOUT = 5.0  # seconds that a cancellation is waited for


@dataclass(frozen=True, slots=True)
class Conversations:
    """The log of each bot session, and the replies that are being written to it."""

    sessions: BotSessions
    bots: Bots
    log: ConversationLog
    feed: Feed
    turns: Turns
    control: Control
    clock: Clock
    node: str
    max_chars: int
    queue: int  # messages that may wait behind the running reply
    count_message: Callable[[], None]
    _order: KeyedLocks = field(default_factory=KeyedLocks)

    async def send(
        self,
        caller: Caller,
        sending: Sending,
        request_id: str,
        *,
        origin: object | None = None,
        on_stored: Callable[[Added], None] = unheard,
    ) -> Added:
        """Store a message and have the bot answer it; it is durable when this returns.

        `on_stored` is called with the same before anything of the reply is
        told. `origin` marks the event for listeners that are told so already.

        Raises:
            InvalidRequest: content, id or metadata out of bounds.
            NotFound: no such session, or it has ended.
            Forbidden: somebody else's session, or a bot that the caller may no longer use.
            Conflict: the id was used with other content, or too many messages wait (`reason` "busy").
        """
        check_message(sending.content, sending.id, sending.metadata, self.max_chars)
        async with self._order.hold(sending.session_id):  # turns run in the order of `seq`, none after the end
            bot = await self.permitted(caller, sending.session_id)
            asked = Asked(bot, BotId(bot.info.id), caller, request_id)
            await self._make_way(sending)
            most_waiting = 0 if sending.if_busy == "reject" else self.queue
            added = await self._add(self._new_message(caller, sending), most_waiting, asked)
            if added.duplicate:
                on_stored(added)
                return added
            telling = self.feed.tell(Stored(message=added.message), sending.session_id, origin)
            job = self._job(added.message, asked)
            job.is_behind_others, job.remembers = added.behind > 0, added.behind > 0 or added.remembers
            self.turns.start(job)  # its task begins later
            on_stored(added)  # last, so that a socket's writer comes after the bot, and sends what both have in one go
        self.count_message()
        await telling
        return added

    async def permitted(self, caller: Caller, session_id: BotSessionId) -> Bot:
        """The bot of an active session of the caller's own, if it is still the caller's to talk with and follow.

        Raises:
            NotFound: no such session, or it has ended, or its bot is gone.
            Forbidden: somebody else's session, or a bot that the caller may no longer use.
        """
        session = await self.sessions.active(caller, session_id)
        return await self.bots.permitted(caller, session.bot_id)

    async def start(self, caller: Caller, bot_id: BotId, initial: str | None, request_id: str) -> BotSession:
        """Open a session and send a first message in it, if there is one.

        Raises:
            InvalidRequest: the message is out of bounds; nothing is opened then.
            NotFound, Forbidden, Unavailable: as for `BotSessions.open`.
        """
        if initial is not None:
            check_message(initial, None, {}, self.max_chars)
        session = await self.sessions.open(caller, bot_id)
        if initial is not None:
            await self.send(caller, Sending(session_id=session.id, content=initial), request_id)
        return session

    async def cancel(self, caller: Caller, session_id: BotSessionId, reply_id: MessageId | None = None) -> bool:
        """Cancel a reply, or, with no id, the one that is running; False: there was none.

        What there is of it is stored as cancelled when this returns.

        Raises:
            NotFound: no such session, or it has ended.
            Forbidden: it is somebody else's.
        """
        session = await self.sessions.active(caller, session_id)
        return await self.stop(session.id, reply_id)

    async def stop(self, session_id: BotSessionId, reply_id: MessageId | None = None) -> bool:
        jobs = self.turns.stop(session_id, reply_id)
        if jobs:
            with anyio.move_on_after(STOP_TIMEOUT):
                for job in jobs:
                    await job.done.wait()
            return True
        if await self.log.behind(session_id, MAX_SEQ) <= self.turns.count(session_id):
            return False  # whatever waits there is ours, and not what is asked for
        with anyio.move_on_after(STOP_TIMEOUT):
            return await self.control.stop_elsewhere(session_id, reply_id)
        return reply_id is None  # the node that writes is slow, or dead and about to be found out

    async def greet(self, caller: Caller, session: BotSession) -> None:
        """Have the bot speak first, if it is one that does, in a session that has just been opened."""
        bot = await self.bots.permitted(caller, session.bot_id)
        if isinstance(bot, Greets):
            self.turns.start(Job(session.id, GREETING, None, bot, session.bot_id, caller, "greeting"))

    async def close(self, session: BotSession, reason: str) -> None:
        """Stop what is being answered in a session that has ended, and write its end into the log."""
        async with self._order.hold(session.id):
            jobs = self.turns.stop_all(session.id)
            await self.control.stop_all_elsewhere(session.id)
            with anyio.move_on_after(STOP_TIMEOUT):
                for job in jobs:
                    await job.done.wait()
            end = await self.log.add_end(session.id, reason, self.clock.now())
        await self.feed.tell(Stored(message=end.message), session.id)

    async def why_not(self, caller: Caller, session_id: BotSessionId) -> Literal["expired", "forbidden"] | None:
        """Why somebody who follows a conversation must stop; one that has expired is ended, for all who follow it."""
        session = await self.sessions.own(caller, session_id)
        if session.ended_at is None and not session.is_active(self.clock.now()):
            await self.sessions.on_end(session, "expired")
            return "expired"
        try:
            await self.bots.permitted(caller, session.bot_id)
        except (Forbidden, NotFound):
            return "forbidden"
        return None

    def follower(self, session_id: BotSessionId, sink: Sink, spawn: Spawn, origin: object) -> Follower:
        """Somebody who follows the conversation; whether he may is for the door to have checked."""
        return Follower(session_id, self.log, self.feed, self.control, sink, spawn, origin)

    async def _add(self, message: NewMessage, most_waiting: int, asked: Asked) -> Added:
        try:
            return await self.log.add_message(message, most_waiting, self.clock.now())
        except (Conflict, InvalidRequest):
            raise  # it is not stored
        except BaseException:  # it is stored by then, or will be, or not
            self.control.beside(lambda: self._answer_if_stored(message, asked))
            raise

    async def _answer_if_stored(self, message: NewMessage, asked: Asked) -> None:
        """Find out what became of a message, and have it answered if it is there: nobody else will."""
        for number, delay in enumerate(chain(SETTLE_DELAYS, repeat(SETTLE_DELAYS[-1])), 1):
            await anyio.sleep(delay)
            try:
                is_found = await self._answer_found(message, asked)
            except Exception:  # the storage is away still, or worse; all that is sent later waits for this one
                where = {"session_id": message.session_id, "request_id": asked.request_id}
                log.exception("message.not_found_out", extra=where)
                continue
            if is_found or number >= len(SETTLE_DELAYS):
                return

    async def _answer_found(self, message: NewMessage, asked: Asked) -> bool:
        """Answer it if it is stored: by its bot while the session lasts, and after that as one that was cancelled."""
        async with self._order.hold(message.session_id):
            stored = await self.log.message(message.session_id, message.message_id)
            if stored is None:
                return False
            session = await self.sessions.store.get(message.session_id)
            await self.feed.tell(Stored(message=stored), message.session_id)
            job = self._job(stored, asked)
            job.is_behind_others, job.is_stopped = True, session is None or not session.is_active(self.clock.now())
            self.turns.start(job)
        return True

    def _job(self, message: Message, asked: Asked) -> Job:
        bot, bot_id, caller = asked.bot, asked.bot_id, asked.caller
        return Job(message.session_id, reply_id_of(message), message, bot, bot_id, caller, asked.request_id)

    def _new_message(self, caller: Caller, sending: Sending) -> NewMessage:
        return NewMessage(
            node=self.node,
            message_id=sending.message_id,
            reply_id=MessageId(new_id()),
            session_id=sending.session_id,
            user_id=caller.user_id,
            content=sending.content,
            id=sending.id,
            metadata=sending.metadata,
        )

    async def _make_way(self, sending: Sending) -> None:
        """Raises:
        Conflict: the bot is greeting, which is a reply without a message that waits, and the sender does not.
        """
        is_greeting = sending.if_busy == "reject" and self.turns.is_greeting(sending.session_id)
        if (is_greeting or sending.if_busy == "interrupt") and not await self._is_repeated(sending):
            if is_greeting:
                raise Conflict("The bot is still greeting", reason="busy")
            await self.stop(sending.session_id)

    async def _is_repeated(self, sending: Sending) -> bool:
        """Whether it is there already: its own reply must not be interrupted by its being sent again."""
        if sending.id is None:
            return False
        return await self.log.by_client_id(sending.session_id, sending.id) is not None


def reply_id_of(message: Message) -> MessageId:
    if message.reply_id is None:
        raise ApiError("A message without a reply id cannot be answered")
    return message.reply_id
