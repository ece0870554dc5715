"""Bot sessions in memory."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession


class MemoryBotSessionStore:
    """No locks: no method awaits between reading and writing."""

    def __init__(self) -> None:
        self._sessions: dict[BotSessionId, BotSession] = {}
        self._of_user: dict[UserId, list[BotSessionId]] = {}

    async def open(self, session: BotSession, keep: int, /) -> list[BotSession]:
        active = self._active(session.user_id, session.created_at)
        surplus = active[: max(0, len(active) + 1 - keep)]
        ended = [one.ended(session.created_at) for one in surplus]
        for one in (*ended, session):
            self._sessions[one.id] = one
        self._of_user.setdefault(session.user_id, []).append(session.id)
        return ended

    async def get(self, id: BotSessionId, /) -> BotSession | None:
        return self._sessions.get(id)

    async def active_of(self, user_id: UserId, now: datetime, /) -> list[BotSession]:
        return self._active(user_id, now)[::-1]

    async def end(self, id: BotSessionId, at: datetime, /) -> BotSession | None:
        session = self._sessions.get(id)
        if session is None or not session.is_active(at):
            return None
        self._sessions[id] = session.ended(at)
        return self._sessions[id]

    def _active(self, user_id: UserId, now: datetime) -> list[BotSession]:
        """Oldest first; the sort is stable, so that of two made at one instant the later call is later."""
        mine = [self._sessions[id] for id in self._of_user.get(user_id, ())]
        return sorted((one for one in mine if one.is_active(now)), key=lambda one: one.created_at)
