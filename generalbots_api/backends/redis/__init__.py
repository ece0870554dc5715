"""Counting and news for many nodes, by Redis. Needs the extra `redis`."""

from generalbots_api.backends.redis.bus import RedisBus
from generalbots_api.backends.redis.limiter import RedisLimiter

__all__ = ["RedisBus", "RedisLimiter"]
