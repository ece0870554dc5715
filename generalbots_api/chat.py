"""The services of bot sessions and conversations, wired by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from generalbots_api.bots.running import Running
from generalbots_api.bots.service import Bots
from generalbots_api.bots.threads import BotThreads
from generalbots_api.bus import Bus
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.conversations.answering import Answering
from generalbots_api.conversations.control import Control
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.nodes import Nodes
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.reading import Reading
from generalbots_api.conversations.service import Conversations
from generalbots_api.conversations.turns import Background, Turns
from generalbots_api.ids import BotSessionId, new_id
from generalbots_api.news import Newsroom
from generalbots_api.sessions.current import CurrentBots
from generalbots_api.sessions.model import BotSession
from generalbots_api.sessions.service import BotSessions
from generalbots_api.settings import Settings
from generalbots_api.storage import Storage
from generalbots_api.web.meter import Meter


class Chat:
    """One of each service that has to do with conversations."""

    def __init__(
        self,
        settings: Settings,
        *,
        storage: Storage,
        bus: Bus,
        clock: Clock,
        bots: Bots,
        newsroom: Newsroom,
        meter: Meter,
        background: Background,
        is_draining: Callable[[], bool],
    ) -> None:
        self._newsroom = newsroom
        log, node = storage.log, new_id()
        lifetime = timedelta(seconds=settings.bot_session_lifetime)
        most = settings.bot_sessions_per_user
        self.bot_sessions = BotSessions(storage.bot_sessions, bots, clock, lifetime, most, self._opened, self._ended)
        self.current_bots = CurrentBots(storage.bot_sessions, settings.session_cache)
        self.feed = Feed(bus)
        self.control = Control(bus, self.feed, log, background, self._count)
        self.turns = Turns(self._answering(settings, log, clock), background)
        self.conversations = Conversations(
            self.bot_sessions,
            bots,
            log,
            self.feed,
            self.turns,
            self.control,
            clock,
            node,
            settings.message_max_chars,
            settings.queued_messages,
            meter.count_message,
        )
        self.reading = Reading(self.bot_sessions, log, self.feed, clock, is_draining)
        self.nodes = Nodes(node, storage.leases, log, storage.bot_sessions, self.feed, clock)

    def _answering(self, settings: Settings, log: ConversationLog, clock: Clock) -> Answering:
        running = Running(settings.turn_grace, BotThreads(settings.bot_threads))
        others = self.control.others
        return Answering(log, self.feed, clock, settings.turn_timeout, settings.reply_max_chars, others, running)

    def _count(self, session_id: BotSessionId, seq: int) -> int:
        return self.turns.count(session_id, seq)

    async def _opened(self, caller: Caller, session: BotSession) -> None:
        await self._newsroom.bot_session_changed(session)
        await self.conversations.greet(caller, session)

    async def _ended(self, session: BotSession, reason: str) -> None:
        """The log has its end before sockets hear of it."""
        await self.conversations.close(session, reason)
        await self._newsroom.bot_session_changed(session)
