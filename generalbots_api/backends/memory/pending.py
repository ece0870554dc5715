"""Logins under way and used logout tokens, in memory."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.auth.model import PendingLogin
from generalbots_api.backends.memory.guards import check_new, check_room, check_text


class MemoryPendingLoginStore:
    """In the order of their beginning. No locks: no method awaits between reading and writing."""

    def __init__(self) -> None:
        self._pending: dict[bytes, PendingLogin] = {}
        self._by_browser: dict[str, dict[bytes, None]] = {}

    async def put(self, pending: PendingLogin, keep: int, per_browser: int, /) -> None:
        check_text(pending)
        check_new(pending.state_hash in self._pending)
        self._pending[pending.state_hash] = pending
        mine = self._by_browser.setdefault(pending.browser, {})
        mine[pending.state_hash] = None
        while len(mine) > max(1, per_browser):
            self._remove(next(iter(mine)))
        while len(self._pending) > max(1, keep):
            self._remove(next(iter(self._pending)))

    async def pop(self, state_hash: bytes, /) -> PendingLogin | None:
        return self._remove(state_hash) if state_hash in self._pending else None

    async def get(self, state_hash: bytes, /) -> PendingLogin | None:
        return self._pending.get(state_hash)

    async def prune(self, now: datetime, /) -> int:
        expired = [key for key, one in self._pending.items() if one.expires_at <= now]
        for key in expired:
            self._remove(key)
        return len(expired)

    def _remove(self, state_hash: bytes) -> PendingLogin:
        pending = self._pending.pop(state_hash)
        mine = self._by_browser[pending.browser]
        del mine[state_hash]
        if not mine:
            del self._by_browser[pending.browser]
        return pending


class MemorySeenTokenStore:
    """The ids of logout tokens, each with its expiry."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, datetime] = {}

    async def add(self, token_id: str, expires_at: datetime, /) -> bool:
        check_text(token_id)
        if token_id in self._seen:
            return False
        check_room(len(self._seen), self._most)
        self._seen[token_id] = expires_at
        return True

    async def prune(self, now: datetime, /) -> int:
        expired = [id for id, at in self._seen.items() if at <= now]
        for id in expired:
            del self._seen[id]
        return len(expired)
