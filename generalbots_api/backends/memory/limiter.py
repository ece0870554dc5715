"""The limiter of a single process, on the engine of `limits`."""

from __future__ import annotations

from typing import Self

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string

from generalbots_api.backends.memory.windows import HeapStorage
from generalbots_api.limits.model import Decision, Quota


class MemoryLimiter:
    """Counts in this process, until its end. Each decision is one step of the engine.

    Past `max_keys` open windows the one that ends first is forgotten.

    Raises:
        ValueError: `max_keys` is not at least 1.
    """

    def __init__(self, max_keys: int = 1_000_000) -> None:
        if max_keys < 1:
            raise ValueError("max_keys: must be at least 1")
        storage = storage_from_string("generalbots+memory://", max_keys=max_keys)
        if not isinstance(storage, HeapStorage):
            raise TypeError("another package has taken the scheme generalbots+memory of limits")
        self._storage = storage
        self._prefixes: dict[Quota, str] = {}

    async def take(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        return self.take_now(key, quota, now_unix)

    def take_now(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        """`limits.ports.CountsAtOnce`."""
        try:
            prefix = self._prefixes[quota]
        except KeyError:
            prefix = self._prefix(quota)
        count, resets = self._storage.hit(prefix + key, quota.window_seconds, 1, now_unix)
        limit = quota.limit
        return Decision(True, limit, limit - count, resets) if count <= limit else Decision(False, limit, 0, resets)

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    def _prefix(self, quota: Quota) -> str:
        """What `limits` itself puts before an identifier: two quotas never share a window."""
        item = RateLimitItemPerSecond(quota.limit, quota.window_seconds, quota.name)
        prefix = self._prefixes[quota] = f"{item.key_for()}/"
        return prefix
