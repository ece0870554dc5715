"""Bot sessions: who may open one with which bot, and who may end it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import anyio

from generalbots_api.bots.service import Bots
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import Forbidden, NotFound
from generalbots_api.ids import BotId, BotSessionId, new_id
from generalbots_api.sessions.model import BotSession
from generalbots_api.sessions.ports import BotSessionStore


@dataclass(frozen=True, slots=True)
class BotSessions:
    """Opens, finds and ends bot sessions. Every opening tells `on_open`, and every end `on_end`, with the reason."""

    store: BotSessionStore
    bots: Bots
    clock: Clock
    lifetime: timedelta
    per_user: int
    on_open: Callable[[Caller, BotSession], Awaitable[None]]
    on_end: Callable[[BotSession, str], Awaitable[None]]

    async def open(self, caller: Caller, bot_id: BotId) -> BotSession:
        """Open a session between the caller and a bot; past the bound the oldest one ends.

        Raises:
            NotFound: there is no such bot.
            Forbidden: the caller may not use it.
            Unavailable: it is offline.

        Source: spec, "Creating Bot Sessions".
        """
        await self.bots.usable(caller, bot_id)
        now = self.clock.now()
        session = BotSession(
            id=BotSessionId(new_id()),
            user_id=caller.user_id,
            bot_id=bot_id,
            created_at=now,
            expires_at=now + self.lifetime,
        )
        ended = await self.store.open(session, self.per_user)
        for oldest in ended:
            await self.on_end(oldest, "deleted")
        await self.on_open(caller, session)
        return session

    async def own(self, caller: Caller, id: BotSessionId) -> BotSession:
        """A session of the caller's own, ended or not.

        Raises:
            NotFound: there is no such session.
            Forbidden: it is somebody else's.
        """
        session = await self.store.get(id)
        if session is None:
            raise NotFound("There is no such session")
        if session.user_id != caller.user_id:
            raise Forbidden("This session is not yours")
        return session

    async def active(self, caller: Caller, id: BotSessionId) -> BotSession:
        """An active session of the caller's own.

        Raises:
            NotFound: there is no such session, or it has ended.
            Forbidden: it is somebody else's.
        """
        session = await self.own(caller, id)
        if not session.is_active(self.clock.now()):
            raise NotFound("This session has ended")
        return session

    async def active_of(self, caller: Caller) -> list[BotSession]:
        """The caller's active sessions, newest first."""
        return await self.store.active_of(caller.user_id, self.clock.now())

    async def end(self, caller: Caller, id: BotSessionId) -> BotSession:
        """End an active session of the caller's own.

        Raises:
            NotFound: there is no such session, or it has ended already.
            Forbidden: it is somebody else's.
        """
        await self.active(caller, id)
        with anyio.CancelScope(shield=True):  # nobody would say later that it has ended
            ended = await self.store.end(id, self.clock.now())
            if ended is not None:
                await self.on_end(ended, "deleted")
        if ended is None:
            raise NotFound("This session has ended")
        return ended
