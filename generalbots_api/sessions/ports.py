"""What bot sessions need from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession


class BotSessionStore(Protocol):
    """Keeps bot sessions. Each method is atomic; none looks at the clock.

    A missing id is an answer, not an error. A backend that cannot be reached
    raises `Unavailable`.
    """

    async def open(self, session: BotSession, keep: int, /) -> list[BotSession]:
        """Add `session`; end at its `created_at`, and return, the user's oldest active ones beyond `keep`."""

    async def get(self, id: BotSessionId, /) -> BotSession | None: ...

    async def active_of(self, user_id: UserId, now: datetime, /) -> list[BotSession]:
        """The user's active sessions, newest first; of two made at one instant, the later call first."""

    async def end(self, id: BotSessionId, at: datetime, /) -> BotSession | None:
        """End it and return it ended; None if there is none active then. One of racing calls gets it."""
