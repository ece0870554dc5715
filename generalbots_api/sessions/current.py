"""The bot that a user talks to now, kept in memory for a second at most."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from generalbots_api.clock import at_unix
from generalbots_api.ids import BotId, UserId
from generalbots_api.sessions.ports import BotSessionStore

MAX_AGE_SECONDS = 1.0


class _Known(msgspec.Struct, gc=False):
    bot_id: BotId | None
    ends_unix: float
    read_unix: float


@dataclass(slots=True)
class CurrentBots:
    """The bot of each user's newest active bot session."""

    store: BotSessionStore
    keep: int  # users at most; the oldest entry goes
    _known: dict[UserId, _Known] = field(default_factory=dict)

    async def of(self, user_id: UserId, now_unix: float) -> BotId | None:
        """The bot, or None; from memory if it was looked up within the last second."""
        known = self._known.get(user_id)
        if known is None or not 0 <= now_unix - known.read_unix < MAX_AGE_SECONDS or now_unix >= known.ends_unix:
            known = await self._read(user_id, now_unix)
        return known.bot_id

    def forget(self, user_id: UserId) -> None:
        """Look it up at the next question: a session of the user was opened or ended."""
        self._known.pop(user_id, None)

    async def _read(self, user_id: UserId, now_unix: float) -> _Known:
        active = await self.store.active_of(user_id, at_unix(now_unix))
        newest = active[0] if active else None
        known = _Known(
            newest.bot_id if newest else None,
            newest.expires_at.timestamp() if newest else float("inf"),
            now_unix,
        )
        if len(self._known) >= self.keep:
            self._known.pop(next(iter(self._known)), None)
        self._known[user_id] = known
        return known
