"""Bot sessions in memory."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.backends.memory.guards import check_new, check_room, check_text
from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession


class MemoryBotSessionStore:
    """No locks: no method awaits between reading and writing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sessions: dict[BotSessionId, BotSession] = {}
        self._open_of: dict[UserId, dict[BotSessionId, None]] = {}  # not ended, in the order of opening
        self._of: dict[UserId, list[BotSessionId]] = {}

    async def open(self, session: BotSession, keep: int, /) -> list[BotSession]:
        check_text(session)
        check_new(session.id in self._sessions)
        check_room(len(self._sessions), self._most)
        active = self._active(session.user_id, session.created_at)
        surplus = active[: max(0, len(active) + 1 - max(1, keep))]
        ended = [self._end(one, session.created_at) for one in surplus]
        self._sessions[session.id] = session
        self._of.setdefault(session.user_id, []).append(session.id)
        if session.ended_at is None:
            self._open_of.setdefault(session.user_id, {})[session.id] = None
        return ended

    async def get(self, id: BotSessionId, /) -> BotSession | None:
        return self._sessions.get(id)

    async def active_of(self, user_id: UserId, now: datetime, /) -> list[BotSession]:
        return self._active(user_id, now)[::-1]

    async def end(self, id: BotSessionId, at: datetime, /) -> BotSession | None:
        check_text(id)
        session = self._sessions.get(id)
        if session is None or not session.is_active(at):
            return None
        return self._end(session, at)

    def of_user(self, user_id: UserId) -> list[BotSession]:
        """Every one of the user, ended ones too, for the list of conversations."""
        return [self._sessions[id] for id in self._of.get(user_id, ())]

    def _end(self, session: BotSession, at: datetime) -> BotSession:
        ended = self._sessions[session.id] = session.ended(at)
        mine = self._open_of[session.user_id]
        del mine[session.id]
        if not mine:
            del self._open_of[session.user_id]
        return ended

    def _active(self, user_id: UserId, now: datetime) -> list[BotSession]:
        """Oldest first; the sort is stable, so that of two made at one instant the later call is later."""
        mine = [self._sessions[id] for id in self._open_of.get(user_id, ())]
        return sorted((one for one in mine if one.is_active(now)), key=lambda one: one.created_at)
