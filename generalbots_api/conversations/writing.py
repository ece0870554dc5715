"""One reply while its bot writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from generalbots_api.bots.model import Piece
from generalbots_api.bots.outliving import Gone
from generalbots_api.bots.running import Run
from generalbots_api.conversations.draft import Draft
from generalbots_api.conversations.events import Delta, Started, Typing
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.patience import Patience
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.turn import BotOpening, BotTurn

Wait = Callable[[Job], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Writing:
    """Gives the bot what it may look at, and takes and tells of its pieces."""

    job: Job
    draft: Draft
    log: ConversationLog
    feed: Feed
    patience: Patience
    others: Wait
    run: Run | None = None  # None: it was not begun, or is over
    about: BotOpening | None = None  # None: the bot has not begun
    _index: int = field(default=-1)  # of the last piece

    async def open(self) -> BotOpening:
        """What the bot gets, when its turn has come.

        Raises:
            Gone: it was ended meanwhile; nothing more is told of it.
        """
        job = self.job
        if job.is_behind_others:
            await self.others(job)
            self._check_on()
        self.patience.begin(self._hint, self._give_up)
        memory = await self.log.memory(job.session_id) if job.remembers else {}
        self._check_on()
        if job.message is None:
            self.about = BotOpening(job.session_id, job.reply_id, job.caller, memory)
        else:
            self.about = BotTurn(self.log, job.message, job.caller, memory)
            await self._start()
        return self.about

    async def take(self, piece: Piece) -> None:
        text, job = self.draft.add(piece), self.job
        if not text:
            return
        if self._index < 0 and job.message is None:
            await self._start()  # a bot that greets may have nothing to say
        self._index += 1
        delta = Delta(session_id=job.session_id, reply_id=job.reply_id, index=self._index, content=text)
        await self.feed.tell(delta, job.session_id)

    def changed_memory(self) -> dict[str, Any] | None:
        """What the bot would have kept; None if that is as it was.

        Raises:
            InvalidRequest: it cannot be kept.
        """
        return self.about.changed_memory() if self.about is not None else None

    def _check_on(self) -> None:
        if self.run is None or self.run.is_over:
            raise Gone("it was ended before it began")

    def _hint(self) -> None:
        """Say that the bot is at work, if nothing is to be seen of it."""
        if not self.draft.pieces:
            self.feed.hint(Typing(session_id=self.job.session_id))

    def _give_up(self) -> None:
        if self.run is not None:
            self.run.cut()

    async def _start(self) -> None:
        job = self.job
        started = Started(
            session_id=job.session_id,
            reply_id=job.reply_id,
            in_reply_to=job.message.message_id if job.message is not None else None,
            bot_id=job.bot_id,
        )
        await self.feed.tell(started, job.session_id)
