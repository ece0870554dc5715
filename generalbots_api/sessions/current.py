"""The bot that a user talks to now, kept in memory for a second at most."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from generalbots_api.clock import at_unix
from generalbots_api.ids import BotId, UserId
from generalbots_api.sessions.ports import BotSessionStore

MAX_AGE_SECONDS = 1.0


class CurrentBot(msgspec.Struct, gc=False):
    """`bot_id` None: the user has no active bot session. Times in Unix seconds."""

    bot_id: BotId | None
    ends_unix: float
    read_unix: float


@dataclass(slots=True)
class CurrentBots:
    """The bot of each user's newest active bot session."""

    store: BotSessionStore
    keep: int  # users at most; the oldest entry goes
    _known: dict[UserId, CurrentBot] = field(default_factory=dict)

    def known(self, user_id: UserId, now_unix: float) -> CurrentBot | None:
        """What was looked up within the last second; None: ask `read`."""
        known = self._known.get(user_id)
        if known is None or not 0 <= now_unix - known.read_unix < MAX_AGE_SECONDS or now_unix >= known.ends_unix:
            return None
        return known

    def forget(self, user_id: UserId) -> None:
        """Look it up at the next question: a session of the user was opened or ended."""
        self._known.pop(user_id, None)

    async def read(self, user_id: UserId, now_unix: float) -> CurrentBot:
        """Look it up, and remember it."""
        active = await self.store.active_of(user_id, at_unix(now_unix))
        newest = active[0] if active else None
        known = CurrentBot(
            newest.bot_id if newest else None,
            newest.expires_at.timestamp() if newest else float("inf"),
            now_unix,
        )
        if len(self._known) >= self.keep:
            self._known.pop(next(iter(self._known)), None)
        self._known[user_id] = known
        return known
