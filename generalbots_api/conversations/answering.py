"""From a message to its stored reply: runs the bot, and survives whatever it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

import anyio

from generalbots_api.bots.outliving import Gone
from generalbots_api.bots.running import Cut, Running
from generalbots_api.clock import Clock
from generalbots_api.conversations.draft import Draft, TooLong
from generalbots_api.conversations.events import Stored
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.model import MessageStatus
from generalbots_api.conversations.patience import Patience
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.turns import Store
from generalbots_api.conversations.writing import Wait, Writing
from generalbots_api.errors import Unavailable

log = logging.getLogger("generalbots_api.conversations")

STORE_DELAYS = (0.2, 1, 5, 15)  # seconds between tries to store a reply
LAST_WORDS = 2.0  # seconds to store what there is of a reply when the service stops


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

    def begin(self, job: Job, over: Callable[[Store], None], /) -> None:
        """Have the bot write; `over` is called once, when it does no more, with what stores its reply."""
        patience = Patience(self.timeout)
        writing = Writing(job, Draft(self.max_chars), self.conversation_log, self.feed, patience, self.others)

        def end(error: BaseException | None) -> None:
            patience.end()
            job.cut = None
            over(partial(self._finish, writing, error))

        if job.is_stopped:
            end(None)
            return
        writing.run = self.running.begin(
            job.bot, writing.open, writing.take, end, bot_id=job.bot_id, is_greeting=job.message is None
        )
        job.cut = writing.run.cut

    async def _finish(self, writing: Writing, error: BaseException | None) -> None:
        """Store the reply, whatever became of it."""
        job, draft = writing.job, writing.draft
        run, writing.run = writing.run, None  # or they would hold each other
        try:
            try:
                if run is not None:
                    await run.ended()
            finally:
                conclude(writing, error)  # now, as it may have been stopped while its bot ended
            if not job.is_interrupted:
                return await self._store(job, draft)
        except asyncio.CancelledError:  # the service stops: it may be stored, and nobody be told
            await self._store_last(job, draft)
            raise
        await self._store_last(job, draft)

    async def _store(self, job: Job, draft: Draft) -> None:
        """Until it is stored, or the service stops: what has no reply then is found at the next start."""
        if job.message is None and not draft.pieces:
            return  # a bot with nothing to say by itself
        for delay in chain(STORE_DELAYS, repeat(STORE_DELAYS[-1])):
            try:
                return await self._store_once(job, draft)
            except Unavailable:
                log.exception("reply.not_stored", extra={**_where(job), "retry_in_seconds": delay})
            except (Exception, asyncio.CancelledError) as error:  # until it is stored, all behind it waits
                if is_cancelled():
                    raise
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
        job.is_stored = True
        await self.feed.tell(Stored(message=added.message), job.session_id)


def is_cancelled() -> bool:
    """Whether this task was told to go; a storage may raise CancelledError for reasons of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def conclude(writing: Writing, error: BaseException | None) -> None:
    """Put what became of it into the draft; `error` is looked at, not raised, as that would tie it to its frames."""
    job, draft = writing.job, writing.draft
    if error is not None:
        note_failure(job, draft, error)
    else:
        try:
            draft.memory = writing.changed_memory()
        except Exception as failure:  # noqa: BLE001 # a bot may have left anything there
            note_failure(job, draft, failure)
    if job.is_stopped:
        draft.status = MessageStatus.CANCELLED


def note_failure(job: Job, draft: Draft, error: BaseException) -> None:
    """Give the reply the status, and the log the reason; the client is told no more than that."""
    if job.is_stopped:  # a bot may raise what it likes on its way out
        draft.status = MessageStatus.CANCELLED
    elif job.is_interrupted and isinstance(error, Cut | Gone):
        draft.fail("The answer was cut off", "interrupted", MessageStatus.INTERRUPTED)
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
        "bot_id": str(job.bot_id),
        "request_id": job.request_id,
    }
