"""Redis: decisions and news that many nodes share, and what it costs when Redis is away."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from limits import RateLimitItemPerHour
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.errors import Unavailable
from generalbots_api.limits.model import Quota
from tests.backends.redis.proxy import ILLNESSES, Illness, open_proxy, until
from tests.bench.table import Row
from tests.support import redis

QUOTA = Quota("user", 10**9, 3_600)
TASKS = 50
Decide = Callable[[str], Awaitable[object]]


async def rows(quick: bool) -> list[Row]:
    if (missing := redis.missing()) is not None:
        print(f"left out, as there is no Redis at GB_TEST_REDIS: {missing}", file=sys.stderr)
        return []
    with redis.new_prefix() as prefix:
        return [*await _decisions(prefix, 200 if quick else 2_000), *await _outages(prefix), await _news(prefix, quick)]


async def _decisions(prefix: str, each: int) -> list[Row]:
    now = time.time()
    item = RateLimitItemPerHour(QUOTA.limit)
    storage = RedisStorage(f"async+{redis.URL}", implementation="redispy", key_prefix=f"{prefix}:limits")
    strategy = FixedWindowRateLimiter(storage)

    async def in_two_calls(key: str) -> None:
        await strategy.hit(item, key)
        await strategy.get_window_stats(item, key)

    async with RedisLimiter(redis.URL, prefix) as limiter, open_proxy() as proxy:
        ours, waits = await _rate(lambda key: limiter.take(key, QUOTA, now), each)
        theirs, _ = await _rate(in_two_calls, each // 4)
        async with RedisLimiter(proxy.url, prefix) as counted:
            await _rate(lambda key: counted.take(key, QUOTA, now), 20)
        sent = proxy.commands.total() / (TASKS * 20)
    await storage.bridge.storage.aclose()  # type: ignore[attr-defined] # of redis-py's bridge
    p99 = statistics.quantiles(waits, n=100)[-1] * 1_000
    return [
        Row(
            goal="",
            what=f"decisions in Redis, {TASKS} tasks",
            ours=ours,
            other=theirs,
            unit="/s",
            other_name="limits, hit and stats",
            least=2,
        ),
        Row(goal="", what="p99 of such a decision", ours=p99, other=None, unit="ms"),
        Row(goal="", what="commands for a decision", ours=sent, other=None, unit="", most_ours=1),
    ]


async def _rate(decide: Decide, each: int) -> tuple[float, list[float]]:
    """Decisions a second, and how long each took in seconds."""
    waits: list[float] = []

    async def work(number: int) -> None:
        for turn in range(each):
            started = time.perf_counter()
            await decide(f"u:{number}-{turn % 20}")
            waits.append(time.perf_counter() - started)

    started = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(TASKS):
            tasks.start_soon(work, number)
    return TASKS * each / (time.perf_counter() - started), waits


async def _outages(prefix: str) -> list[Row]:
    found = [await _outage(prefix, illness) for illness in ILLNESSES]
    first, later, back = (max(times) * 1_000 for times in zip(*found, strict=True))
    kinds = ", ".join(ILLNESSES)
    return [
        Row(goal="", what=f"longest wait of a request while Redis {kinds}", ours=first, other=None, unit="ms"),
        Row(goal="", what="longest wait of those after it", ours=later, other=None, unit="ms"),
        Row(goal="", what="Redis is back until it counts", ours=back, other=None, unit="ms", most_ours=5_000),
    ]


async def _outage(prefix: str, illness: Illness) -> tuple[float, float, float]:
    """Seconds: the first request, the longest of a hundred after it, and from the recovery to the first count."""
    async with open_proxy() as proxy, RedisLimiter(proxy.url, prefix) as limiter:

        async def take() -> tuple[bool, float]:
            started = time.perf_counter()
            try:
                await limiter.take("k", QUOTA, 0.0)
            except Unavailable:
                return False, time.perf_counter() - started
            return True, time.perf_counter() - started

        await take()
        await proxy.fall_ill(illness)
        _, first = await take()
        later = max([(await take())[1] for _ in range(100)])
        await anyio.sleep(3)  # the pauses between its tries are at their longest
        await proxy.recover()
        started = time.perf_counter()
        while not (await take())[0]:  # noqa: ASYNC110 - what is waited for tells nobody
            await anyio.sleep(0.002)
        return first, later, time.perf_counter() - started


async def _news(prefix: str, quick: bool) -> Row:
    number, heard = 2_000 if quick else 20_000, 0
    async with RedisBus(redis.URL, prefix) as here, RedisBus(redis.URL, prefix) as there:

        def hear(payload: bytes) -> None:
            nonlocal heard
            heard += 1

        there.subscribe("t", hear)
        await there.settled()
        started = time.perf_counter()
        for turn in range(number):
            await here.publish("t", bytes(200))
            if turn % 1_000 == 999:
                await until(partial(lambda most: heard > most - 2_000, turn))
        await until(lambda: heard == number)
        rate = number / (time.perf_counter() - started)
    return Row(goal="", what="news of 200 bytes from one bus to another", ours=rate, other=None, unit="/s")
