"""Reading conversations: pages of a log, the list of them, and waiting for what is to come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import anyio

from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.model import Message, Page, Summaries, SummaryQuery
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.waiting import News
from generalbots_api.ids import BotId, BotSessionId, MessageId
from generalbots_api.sessions.service import BotSessions


@dataclass(frozen=True, slots=True)
class Reading:
    sessions: BotSessions
    log: ConversationLog
    feed: Feed
    clock: Clock
    is_draining: Callable[[], bool]  # then nobody is kept waiting

    async def history(
        self,
        caller: Caller,
        session_id: BotSessionId,
        limit: int,
        *,
        before: int | datetime | None = None,
        after: int | datetime | None = None,
        wait: float = 0,
    ) -> Page:
        """A page of the log, in order of `seq`: the last one, or that before or after a `seq` or a time.

        With `after`, and nothing past it yet, it waits so many seconds for something.

        Raises:
            NotFound: there is no such session.
            Forbidden: it is somebody else's.
        """
        session = await self.sessions.own(caller, session_id)
        if after is not None:
            seq = after if isinstance(after, int) else await self.log.seq_at(session.id, after)
            if wait > 0:
                await self._until_past(session.id, seq, wait)
            return await self.log.after(session.id, seq, limit)
        if isinstance(before, datetime):
            before = await self.log.seq_at(session.id, before) + 1
        return await self.log.before(session.id, before, limit)

    async def list(
        self,
        caller: Caller,
        limit: int,
        *,
        bot_id: BotId | None,
        is_active: bool | None,
        after: tuple[datetime, BotSessionId] | None,
    ) -> Summaries:
        """The caller's conversations, the one with the newest activity first."""
        query = SummaryQuery(
            user_id=caller.user_id, now=self.clock.now(), limit=limit, bot_id=bot_id, is_active=is_active, after=after
        )
        return await self.log.summaries(query)

    async def reply(self, session_id: BotSessionId, reply_id: MessageId, wait: float) -> Message | None:
        """The stored reply, waited for so many seconds; None: it is still being written then."""
        news = News()
        leave = self.feed.listen(session_id, news.hear)
        try:
            with anyio.move_on_after(wait):
                while (found := await self.log.message(session_id, reply_id)) is None and not self.is_draining():
                    await news.wait()
                return found
        finally:
            leave()
        return None

    async def _until_past(self, session_id: BotSessionId, seq: int, wait: float) -> None:
        news = News()
        leave = self.feed.listen(session_id, news.hear)
        try:
            with anyio.move_on_after(wait):
                while not self.is_draining() and (await self.log.head(session_id)).seq <= seq:
                    await news.wait()
        finally:
            leave()
