"""One lock for each key, kept only while somebody holds it or waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio


@dataclass(slots=True)
class KeyedLocks:
    """`async with locks.hold(key)`: one at a time for each key, first come first served."""

    _locks: dict[Hashable, anyio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._locks.get(key) is lock:
                del self._locks[key]
