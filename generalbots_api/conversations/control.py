"""What nodes ask of each other about replies: to stop one, and to tell how far one is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
import msgspec

from generalbots_api.bus import Bus
from generalbots_api.conversations.events import Event, Snapshot, Stored
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.model import Sender
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.rules import MAX_SEQ
from generalbots_api.conversations.turns import Background, Turns
from generalbots_api.conversations.waiting import News
from generalbots_api.ids import BotSessionId, MessageId

STOP = "replies.stop"
ASK = "replies.ask"
ASK_TIMEOUT = 0.5  # seconds


class StopNews(msgspec.Struct, frozen=True):
    session_id: BotSessionId
    reply_id: MessageId | None
    is_all: bool


class AskNews(msgspec.Struct, frozen=True):
    session_id: BotSessionId


@dataclass(frozen=True, slots=True)
class Control:
    bus: Bus
    feed: Feed
    log: ConversationLog
    background: Background
    count: Callable[[BotSessionId, int], int]  # of this node's jobs for the messages of a session before a `seq`

    def subscribe(self, turns: Turns) -> Callable[[], None]:
        """Do what other nodes ask from now on; the answer ends it."""

        def stop(payload: bytes) -> None:
            news = msgspec.json.decode(payload, type=StopNews)
            if news.is_all:
                turns.stop_all(news.session_id)
            else:
                turns.stop(news.session_id, news.reply_id)

        def tell(payload: bytes) -> None:
            session_id = msgspec.json.decode(payload, type=AskNews).session_id
            live = self.feed.live(session_id)
            if live is not None and live.is_ours:
                self.beside(lambda: self.feed.repeat(session_id))

        leaves = [self.bus.subscribe(STOP, stop), self.bus.subscribe(ASK, tell)]

        def leave() -> None:
            for each in leaves:
                each()

        return leave

    async def stop_elsewhere(self, session_id: BotSessionId, reply_id: MessageId | None) -> bool:
        """Have whichever node writes a reply there stop it; True when it has been stored since."""
        stored = anyio.Event()

        def hear(event: Event) -> None:
            message = event.what.message if isinstance(event.what, Stored) else None
            if message is not None and message.sender is Sender.BOT and reply_id in (None, message.message_id):
                stored.set()

        leave = self.feed.listen(session_id, hear)
        try:
            await self._publish(STOP, StopNews(session_id, reply_id, False))
            await stored.wait()
            return True
        finally:
            leave()

    async def stop_all_elsewhere(self, session_id: BotSessionId) -> None:
        await self._publish(STOP, StopNews(session_id, None, True))

    async def running_elsewhere(self, session_id: BotSessionId) -> None:
        """Ask how far a reply is that another node writes; a moment is waited for its snapshot, kept by `feed`."""
        if await self.log.behind(session_id, MAX_SEQ) <= self.count(session_id, MAX_SEQ):
            return  # whatever waits there is ours
        heard = anyio.Event()

        def hear(event: Event) -> None:
            if isinstance(event.what, Snapshot):
                heard.set()

        async def ask() -> None:
            await self._publish(ASK, AskNews(session_id))

        leave = self.feed.listen(session_id, hear, lambda: self.beside(ask))  # an answer may have been missed
        try:
            with anyio.move_on_after(ASK_TIMEOUT):
                await ask()
                await heard.wait()
        finally:
            leave()

    async def others(self, job: Job) -> None:
        """Return when other nodes have no reply to write that belongs before the job's.

        What of those is this node's own, and yet not done, was found out late and comes behind it.
        """
        news = News()
        leave = self.feed.listen(job.session_id, news.hear)
        try:
            while job.message is not None:
                seq = job.message.seq
                if await self.log.behind(job.session_id, seq) <= self.count(job.session_id, seq):
                    return
                await news.wait()
        finally:
            leave()

    def beside(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run it, unless the service is stopping: then the next start finds what there is to do."""
        with suppress(RuntimeError):
            self.background(job)

    async def _publish(self, topic: str, news: msgspec.Struct) -> None:
        await self.feed.publish(topic, msgspec.json.encode(news))
