"""The bot session as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from generalbots_api.ids import BotId, BotSessionId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSession:
    """One user's conversation with one bot. Ended sessions are kept, not active."""

    id: BotSessionId
    user_id: UserId
    bot_id: BotId
    created_at: datetime  # aware, UTC
    expires_at: datetime
    ended_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def ended(self, at: datetime) -> BotSession:
        return self if self.ended_at else replace(self, ended_at=at)
