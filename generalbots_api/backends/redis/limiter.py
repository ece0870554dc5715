"""The limiter of many nodes, on the engine of `limits`, in Redis."""

from __future__ import annotations

from typing import Self

from limits import RateLimitItemPerSecond

from generalbots_api.backends.redis.connecting import connector
from generalbots_api.backends.redis.windows import SCHEME, WindowStorage
from generalbots_api.limits.model import Decision, Quota


class RedisLimiter:
    """Counts for every node that uses the same Redis and the same `prefix`: one command for a decision.

    No call takes longer than 250 ms. Once one has failed, the next ones fail
    at once, until Redis answers again; whether it does is tried every second.
    It may be entered more than once, and is open until the last one has left.

    Raises:
        ValueError: `url` is no URL of Redis.
    """

    def __init__(self, url: str, prefix: str = "generalbots") -> None:
        connector(url)
        self._url = url
        self._key_prefix = prefix
        self._prefixes: dict[Quota, str] = {}
        self._opened: WindowStorage | None = None
        self._openings = 0

    async def take(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        prefix = self._prefixes.get(quota) or self._prefix(quota)
        count, resets = await self._storage.hit(prefix + key, quota.window_seconds, 1, now_unix, quota.limit)
        left = quota.limit - count
        return Decision(left >= 0, quota.limit, left if left > 0 else 0, resets)

    async def ping(self) -> None:
        await self._storage.line.ping()

    async def __aenter__(self) -> Self:
        self._openings += 1
        if self._opened is None:
            self._opened = WindowStorage(SCHEME + self._url, key_prefix=self._key_prefix)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._openings -= 1
        if self._openings == 0:
            storage, self._opened = self._storage, None
            await storage.close()

    @property
    def _storage(self) -> WindowStorage:
        if self._opened is None:
            raise RuntimeError("the limiter is not open: use it by `async with`")
        return self._opened

    def _prefix(self, quota: Quota) -> str:
        """What `limits` itself puts before an identifier: two quotas never share a window."""
        item = RateLimitItemPerSecond(quota.limit, quota.window_seconds, quota.name)
        prefix = self._prefixes[quota] = f"{item.key_for()}/"
        return prefix
