"""Every store in memory, as one bundle."""

from __future__ import annotations

from typing import Self

from generalbots_api.backends.memory.bots import MemoryBotRecordStore
from generalbots_api.backends.memory.leases import MemoryLeaseStore, MemoryRevocationStore
from generalbots_api.backends.memory.log import MemoryConversationLog
from generalbots_api.backends.memory.logins import MemoryLoginStore
from generalbots_api.backends.memory.pending import MemoryPendingLoginStore, MemorySeenTokenStore
from generalbots_api.backends.memory.sessions import MemoryBotSessionStore


class MemoryStorage:
    """For tests and for one process; everything is lost with the object, not when it is closed.

    Each store takes `max_items` things, and the log `max_chars` characters of
    content in all; past that a write raises `Unavailable`, as on a full disk.
    """

    default_limiter = "generalbots_api.backends.memory:MemoryLimiter"
    default_bus = "generalbots_api.backends.memory:MemoryBus"

    def __init__(self, *, max_items: int = 1_000_000, max_chars: int = 256_000_000) -> None:
        self.logins = MemoryLoginStore(max_items)
        self.pending_logins = MemoryPendingLoginStore()
        self.seen_tokens = MemorySeenTokenStore(max_items)
        self.revocations = MemoryRevocationStore(max_items)
        self.leases = MemoryLeaseStore(max_items)
        self.bot_records = MemoryBotRecordStore(max_items)
        self.bot_sessions = MemoryBotSessionStore(max_items)
        self.log = MemoryConversationLog(max_items, max_chars, self.leases, self.bot_sessions)

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None
