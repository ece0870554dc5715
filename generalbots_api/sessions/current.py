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
    read_unix: float
    good_until_unix: float  # until the session ends, and no longer than a second


@dataclass(slots=True)
class CurrentBots:
    """The bot of each user's newest active bot session."""

    store: BotSessionStore
    keep: int  # users at most; the oldest entry goes
    _known: dict[UserId, CurrentBot] = field(default_factory=dict)

    def known(self, user_id: UserId, now_unix: float) -> CurrentBot | None:
        """What was looked up within the last second; None: ask `read`."""
        known = self._known.get(user_id)
        return known if known is not None and known.read_unix <= now_unix < known.good_until_unix else None

    def forget(self, user_id: UserId) -> None:
        """Look it up at the next question: a session of the user was opened or ended."""
        self._known.pop(user_id, None)

    async def read(self, user_id: UserId, now_unix: float) -> CurrentBot:
        """Look it up, and remember it."""
        active = await self.store.active_of(user_id, at_unix(now_unix))
        newest = active[0] if active else None
        good_until = now_unix + MAX_AGE_SECONDS
        if newest:
            good_until = min(good_until, newest.expires_at.timestamp())
        known = CurrentBot(newest.bot_id if newest else None, now_unix, good_until)
        if len(self._known) >= self.keep:
            self._known.pop(next(iter(self._known)), None)
        self._known[user_id] = known
        return known
