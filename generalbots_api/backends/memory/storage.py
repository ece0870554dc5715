"""Every store in memory, as one bundle."""

from __future__ import annotations

from typing import Self

from generalbots_api.backends.memory.log import MemoryConversationLog
from generalbots_api.backends.memory.logins import (
    MemoryLoginStore,
    MemoryPendingLoginStore,
    MemorySeenTokenStore,
)
from generalbots_api.backends.memory.sessions import MemoryBotSessionStore


class MemoryStorage:
    """For tests and for one process; everything is lost with the object, not when it is closed."""

    default_limiter = "generalbots_api.backends.memory:MemoryLimiter"
    default_bus = "generalbots_api.backends.memory:MemoryBus"

    def __init__(self) -> None:
        self.logins = MemoryLoginStore()
        self.pending_logins = MemoryPendingLoginStore()
        self.seen_tokens = MemorySeenTokenStore()
        self.bot_sessions = MemoryBotSessionStore()
        self.log = MemoryConversationLog()

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None
