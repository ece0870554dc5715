"""From a message to its stored reply: runs the bot, and survives whatever it does."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import chain, repeat

import anyio

from generalbots_api.bots.leash import Cut
from generalbots_api.bots.model import Piece
from generalbots_api.bots.running import Running
from generalbots_api.clock import Clock
from generalbots_api.conversations.draft import Draft, TooLong
from generalbots_api.conversations.events import Delta, Started, Stored, Typing
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.model import MessageStatus
from generalbots_api.conversations.patience import Patience
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.turn import BotOpening, BotTurn
from generalbots_api.conversations.turns import Job
from generalbots_api.errors import Unavailable
from generalbots_api.ids import BotId

log = logging.getLogger("generalbots_api.conversations")

STORE_DELAYS = (0.2, 1, 5, 15)  # seconds between tries to store a reply
LAST_WORDS = 2.0  # seconds to store what there is of a reply when the service stops
Wait = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answering:
    """Writes replies and stores each, whether the bot finishes, raises, floods or never returns.

    `others` waits for the replies that other nodes are still writing in the session.
    """

    conversation_log: ConversationLog
    feed: Feed
    clock: Clock
    timeout: float  # seconds
    max_chars: int
    others: Wait
    running: Running = field(default_factory=Running)

    async def answer(self, job: Job) -> None:
        draft = Draft(self.max_chars)
        try:
            if job.is_behind_others:
                await self.others(job)
            with Patience(self.timeout, lambda: self._hint(job, draft), job.leash.cut):
                if not job.is_stopped:
                    await self._write(job, draft)
            if job.is_stopped:
                draft.status = MessageStatus.CANCELLED
        except Exception as error:  # noqa: BLE001 # a bot is foreign code, and whatever it raises ends its reply only
            note_failure(job, draft, error)
        except anyio.get_cancelled_exc_class():  # the service stops
            draft.fail("The answer was cut off", "interrupted", MessageStatus.INTERRUPTED)
            await self._store_last(job, draft)
            raise
        try:
            await self._store(job, draft)
        except anyio.get_cancelled_exc_class():  # it may be stored, and nobody be told
            await self._store_last(job, draft)
            raise

    async def _write(self, job: Job, draft: Draft) -> None:
        """Run the bot to its end, telling of each piece."""
        memory = await self.conversation_log.memory(job.session_id)
        take = self._taker(job, draft)
        if job.message is None:
            opening = BotOpening(job.session_id, job.reply_id, job.caller, memory)
            await self.running.greet(job.bot, opening, take, job.leash)
            draft.memory = opening.changed_memory()
        else:
            turn = BotTurn(self.conversation_log, job.message, job.caller, memory)
            await self._start(job)
            await self.running.run(job.bot, turn, take, job.leash)
            draft.memory = turn.changed_memory()

    def _hint(self, job: Job, draft: Draft) -> None:
        if not draft.pieces:
            self.feed.hint(Typing(session_id=job.session_id))

    def _taker(self, job: Job, draft: Draft) -> Callable[[Piece], Awaitable[None]]:
        tell, session_id, reply_id = self.feed.tell, job.session_id, job.reply_id
        index = -1

        async def take(piece: Piece) -> None:
            nonlocal index
            text = draft.add(piece)
            if text:
                if index < 0 and job.message is None:
                    await self._start(job)
                index += 1
                await tell(Delta(session_id=session_id, reply_id=reply_id, index=index, content=text), session_id)

        return take

    async def _start(self, job: Job) -> None:
        started = Started(
            session_id=job.session_id,
            reply_id=job.reply_id,
            in_reply_to=job.message.message_id if job.message is not None else None,
            bot_id=BotId(job.bot.info.id),
        )
        await self.feed.tell(started, job.session_id)

    async def _store(self, job: Job, draft: Draft) -> None:
        """Until it is stored, or the service stops: what has no reply then is found at the next start."""
        if job.message is None and not draft.pieces:
            return  # a bot with nothing to say by itself
        is_refused = False
        for delay in chain(STORE_DELAYS, repeat(STORE_DELAYS[-1])):
            try:
                return await self._store_once(job, draft)
            except Unavailable:
                log.exception("reply.not_stored", extra={**_where(job), "retry_in_seconds": delay})
            except Exception as error:  # what the bot left there cannot be kept; without a reply it would wait for ever
                if is_refused:
                    raise
                is_refused = True
                draft.memory, draft.suggestions = None, ()
                note_failure(job, draft, error)
            await anyio.sleep(delay)

    async def _store_last(self, job: Job, draft: Draft) -> None:
        """When the service stops; to store it twice is to store it once."""
        if job.message is not None or draft.pieces:
            with anyio.move_on_after(LAST_WORDS, shield=True):
                await self._store_once(job, draft)

    async def _store_once(self, job: Job, draft: Draft) -> None:
        added = await self.conversation_log.add_reply(draft.reply(job), draft.memory, self.clock.now())
        await self.feed.tell(Stored(message=added.message), job.session_id)


def note_failure(job: Job, draft: Draft, error: Exception) -> None:
    """Give the reply the status, and the log the reason; the client is told no more than that."""
    if job.is_stopped:  # a bot may raise what it likes on its way out
        draft.status = MessageStatus.CANCELLED
    elif isinstance(error, Cut):
        draft.fail("The bot took too long to answer", "timeout")
        log.warning("reply.timeout", extra=_where(job))
    elif isinstance(error, TooLong):
        draft.fail("The bot's answer is too long", "too_long")
        log.warning("reply.too_long", extra=_where(job))
    else:
        draft.fail("The bot could not answer", "failed")
        log.error("reply.failed", extra=_where(job), exc_info=error)


def _where(job: Job) -> dict[str, str]:
    return {
        "session_id": job.session_id,
        "bot_id": str(job.bot.info.id),
        "request_id": job.request_id,
    }
