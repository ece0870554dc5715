"""Fixed windows in Redis, as a storage of the package `limits`."""

from __future__ import annotations

import time
from collections.abc import Callable

from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from generalbots_api.backends.redis.connecting import TIMEOUT, connector, raw
from generalbots_api.backends.redis.line import Line
from generalbots_api.errors import Unavailable

UNLIMITED = 2**53
SCHEME = "async+generalbots+"
HIT = """
local window = redis.call('HMGET', KEYS[1], 'count', 'ends')
local ends = tonumber(window[2] or 0)
if not window[1] or ends <= tonumber(ARGV[1]) or ends > tonumber(ARGV[2]) + 60 then
  redis.call('HSET', KEYS[1], 'count', ARGV[4], 'ends', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {tonumber(ARGV[4]), ARGV[2]}
end
local count = tonumber(window[1]) + tonumber(ARGV[4])
if count > tonumber(ARGV[3]) then
  return {count, window[2]}
end
redis.call('HSET', KEYS[1], 'count', count)
return {count, window[2]}
"""
"""One step: the time is the caller's; the end of a window is kept as text, so that nothing is rounded.

A window that ends more than a minute later than a new one would was opened before the clock went back: it is over.
"""


class WindowStorage(RedisStorage):
    """Each window is a hash of its count and its end, by the clock of the node that opened it.

    Redis' own expiry only cleans up, a whole window later: its clock may be
    wrong by that much before it matters. Registered as `async+generalbots+redis://`;
    whatever else `limits` does with Redis is its own, over redis-py.
    """

    STORAGE_SCHEME = [f"{SCHEME}redis", f"{SCHEME}rediss"]

    def __init__(
        self,
        uri: str,
        wrap_exceptions: bool = False,
        key_prefix: str = "generalbots",
        clock: Callable[[], float] = time.time,
    ) -> None:
        url = uri.removeprefix(SCHEME)
        self.line = Line(connector(url))
        super().__init__(
            f"async+{url}",
            wrap_exceptions=wrap_exceptions,
            implementation="redispy",
            key_prefix=key_prefix,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
        )
        if not isinstance(self.bridge, RedispyBridge):
            raise TypeError("limits has chosen another driver than redis-py")
        self._client: Redis = self.bridge.storage
        self._clock = clock  # for the methods of `limits`, which pass no time
        self._sha = self._client.register_script(HIT).sha

    async def hit(self, key: str, seconds: float, amount: int, now: float, limit: int = UNLIMITED) -> tuple[int, float]:
        """Add `amount` in one step, unless that is past `limit`: the count with it, and when the window ends (Unix).

        Raises:
            Unavailable: Redis does not answer, or not so.
        """
        name = raw(self.bridge.prefixed_key(key))
        values = (name, repr(now), repr(now + seconds), limit, amount, int(seconds * 2_000))
        try:
            try:
                reply = await self.line.call("EVALSHA", self._sha, 1, *values)
            except NoScriptError:  # Redis has been restarted, or has never seen it
                reply = await self.line.call("EVAL", HIT, 1, *values)
            return int(reply[0]), float(reply[1])
        except ResponseError as error:
            raise Unavailable(f"Redis refuses to count: {error}", retry_after=1) from None
        except (TypeError, ValueError, IndexError):
            raise Unavailable("Redis gives answers that make no sense", retry_after=1) from None

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return (await self.hit(key, expiry, amount, self._clock()))[0]

    async def get(self, key: str) -> int:
        count, ends = await self._client.hmget(raw(self.bridge.prefixed_key(key)), "count", "ends")
        return int(count or 0) if ends is not None and float(ends) > self._clock() else 0

    async def get_expiry(self, key: str) -> float:
        """When the window ends; now if none is open."""
        ends = await self._client.hget(raw(self.bridge.prefixed_key(key)), "ends")
        return max(float(ends), self._clock()) if ends is not None else self._clock()

    async def close(self) -> None:
        await self.line.close()
        await self._client.aclose()
