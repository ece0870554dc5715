"""The limiter in Redis: one command for a decision, exact over many nodes, by the time that it is given."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string
from redis import Redis

from generalbots_api.backends.redis import RedisLimiter
from generalbots_api.backends.redis.windows import SCHEME, WindowStorage
from generalbots_api.limits.model import Decision, Quota
from generalbots_api.limits.service import escaped
from generalbots_api.testing import ManualClock
from generalbots_api.testing.contract import LONE_SURROGATE, at_once
from tests.backends.redis.proxy import Proxy
from tests.support import redis

pytestmark = pytest.mark.anyio

NOW = 1_768_910_400.123_456
TEN = Quota("user", 10, 60)
MANY = Quota("user", 1_000, 60)


async def test_a_decision_is_one_command_whatever_it_says(proxy: Proxy, prefix: str) -> None:
    async with RedisLimiter(proxy.url, prefix) as limiter:
        await limiter.take("teaches the script", TEN, NOW)
        proxy.commands.clear()
        decisions = [await limiter.take(f"k{number % 2}", TEN, NOW) for number in range(24)]
        decisions += await at_once(*(partial(limiter.take, f"k{number % 5}", TEN, NOW) for number in range(76)))
    assert {one.allowed for one in decisions} == {True, False}
    assert proxy.commands == {"EVALSHA": 100}


async def test_a_thousand_tasks_share_one_connection_and_none_is_turned_away(proxy: Proxy, prefix: str) -> None:
    async with RedisLimiter(proxy.url, prefix) as limiter:
        decisions = await at_once(*[partial(limiter.take, "k", MANY, NOW)] * 1_000)
    assert sorted(one.remaining for one in decisions) == list(range(1_000))
    assert proxy.connections == 1


async def test_of_racing_requests_on_two_nodes_each_place_goes_once(proxy: Proxy, prefix: str) -> None:
    async with RedisLimiter(proxy.url, prefix) as one, RedisLimiter(redis.URL, prefix) as other:
        decisions = await at_once(*[partial(node.take, "k", TEN, NOW) for _ in range(50) for node in (one, other)])
        refused = [one for one in decisions if not one.allowed]
        assert sorted(one.remaining for one in decisions if one.allowed) == list(range(10))
        assert refused == [Decision(False, 10, 0, NOW + 60)] * 90
        assert (await other.take("k", TEN, NOW + 60)).remaining == 9


@pytest.mark.parametrize("year", [-62_135_596_800.0, 0.0, NOW, 4_102_444_800.5, 253_402_300_799.0])
async def test_the_clock_of_the_server_does_not_matter(prefix: str, year: float) -> None:
    async with RedisLimiter(redis.URL, prefix) as limiter:
        told = [await limiter.take("k", TEN, year + second) for second in (0, 59.5, 60)]
    assert [(one.remaining, one.resets_unix) for one in told] == [(9, year + 60), (8, year + 60), (9, year + 120)]


async def test_a_window_is_kept_for_twice_its_length_and_then_gone(prefix: str) -> None:
    async with RedisLimiter(redis.URL, prefix) as limiter:
        for second in range(3):
            await limiter.take("k", TEN, NOW + second)
        with Redis.from_url(redis.URL) as client:
            [key] = client.keys(f"{prefix}:*")
            assert 60_000 < client.pttl(key) <= 120_000


async def test_names_do_not_meet_in_the_keys(prefix: str) -> None:
    pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("{a}", "*")]
    async with RedisLimiter(redis.URL, prefix) as limiter:
        keys = ["/".join(map(escaped, pair)) for pair in pairs]
        assert [(await limiter.take(key, TEN, NOW)).remaining for key in keys] == [9] * len(keys)
        assert (await limiter.take(LONE_SURROGATE, TEN, NOW)).remaining == 9


async def test_another_prefix_is_another_count(prefix: str) -> None:
    async with RedisLimiter(redis.URL, prefix) as one, RedisLimiter(redis.URL, prefix + "x") as other:
        assert (await one.take("k", TEN, NOW)).remaining == 9
        assert (await other.take("k", TEN, NOW)).remaining == 9


async def test_a_caller_that_goes_away_spoils_nothing_for_the_others(proxy: Proxy, prefix: str) -> None:
    async with RedisLimiter(proxy.url, prefix) as limiter:
        for _ in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(limiter.take, "gone", TEN, NOW)
                await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        assert (await limiter.take("k", TEN, NOW)).remaining == 9
        assert proxy.connections == 1


async def test_it_is_open_until_the_last_one_has_left(prefix: str) -> None:
    limiter = RedisLimiter(redis.URL, prefix)
    async with limiter:
        async with limiter:
            await limiter.ping()
        assert (await limiter.take("k", TEN, NOW)).remaining == 9
    with pytest.raises(RuntimeError, match="not open"):
        await limiter.take("k", TEN, NOW)
    async with limiter:
        assert (await limiter.take("k", TEN, NOW)).remaining == 8


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost", "redis://h:port", "redis://:secret@h:1/?db=x"])
def test_what_is_no_url_of_redis_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: ") as told:
        RedisLimiter(url)
    assert "secret" not in str(told.value)


async def test_it_is_a_storage_of_limits(prefix: str) -> None:
    clock = ManualClock()
    made = storage_from_string(SCHEME + redis.URL, key_prefix=prefix, clock=clock.unix)  # type: ignore[arg-type] # which limits passes on
    assert isinstance(made, WindowStorage)
    strategy, item = FixedWindowRateLimiter(made), RateLimitItemPerMinute(2)
    assert [await strategy.hit(item, "k") for _ in range(3)] == [True, True, False]
    assert await strategy.get_window_stats(item, "k") == (clock.unix() + 60, 0)
    assert await made.check() is True
    clock.advance(60)
    assert await strategy.test(item, "k") is True
    await strategy.hit(item, "k")
    await strategy.clear(item, "k")
    assert await made.get(item.key_for("k")) == 0
    await made.close()
