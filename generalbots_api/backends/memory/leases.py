"""Leases and waiting revocations in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from generalbots_api.auth.model import Revocation
from generalbots_api.backends.memory.guards import check_room, check_text
from generalbots_api.ids import LoginId


class MemoryLeaseStore:
    """No locks: no method awaits between reading and writing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._leases: dict[str, tuple[str, datetime]] = {}

    async def take(self, name: str, holder: str, now: datetime, until: datetime, /) -> bool:
        check_text((name, holder))
        held = self._leases.get(name)
        if held is not None and held[0] != holder and now < held[1]:
            return False
        if held is None:
            check_room(len(self._leases), self._most)
        self._leases[name] = (holder, until)
        return True

    async def drop(self, name: str, holder: str, /) -> None:
        held = self._leases.get(name)
        if held is not None and held[0] == holder:
            del self._leases[name]

    async def held(self, prefix: str, /) -> dict[str, str]:
        return {name: holder for name, (holder, _) in self._leases.items() if name.startswith(prefix)}

    async def prune(self, now: datetime, /) -> int:
        over = [name for name, (_, until) in self._leases.items() if until <= now]
        for name in over:
            del self._leases[name]
        return len(over)

    def lasts(self, name: str, now: datetime) -> bool:
        """Whether anybody holds it."""
        held = self._leases.get(name)
        return held is not None and now < held[1]


class MemoryRevocationStore:
    """In the order in which they are due; of those due at one instant, in the order of their coming."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[LoginId, tuple[datetime, Revocation]] = {}

    async def put(self, revocation: Revocation, due_at: datetime, /) -> None:
        check_text(revocation.id)
        if revocation.id not in self._waiting:
            check_room(len(self._waiting), self._most)
        self._waiting.pop(revocation.id, None)
        self._waiting[revocation.id] = (due_at, revocation)

    async def take(self, now: datetime, due_again_at: datetime, /) -> Revocation | None:
        due = [(due_at, one) for due_at, one in self._waiting.values() if due_at <= now]
        if not due:
            return None
        _, longest = min(due, key=lambda each: each[0])
        tried = replace(longest, tries=longest.tries + 1)
        del self._waiting[longest.id]
        self._waiting[longest.id] = (due_again_at, tried)
        return tried

    async def drop(self, id: LoginId, /) -> None:
        self._waiting.pop(id, None)
