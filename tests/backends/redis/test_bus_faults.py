"""The bus without Redis: this process hears all, the others again as soon as it is back."""

from __future__ import annotations

import anyio
import pytest

from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.errors import Unavailable
from tests.backends.redis.proxy import GUARD, ILLNESSES, Illness, Proxy, until
from tests.backends.redis.ward import component, lines, up_again
from tests.support import redis
from tests.support.service import running_service

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("illness", ILLNESSES)]


async def noticed(bus: RedisBus) -> None:
    """Until the bus knows."""
    with anyio.fail_after(GUARD):
        while True:
            try:
                await bus.ping()
            except Unavailable:
                return


async def back(bus: RedisBus) -> None:
    await bus.settled()
    await until(lambda: bus.is_up)


async def test_this_process_misses_nothing_and_the_others_hear_again_what_comes_after(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    here_heard: list[bytes] = []
    there_heard: list[bytes] = []
    async with RedisBus(proxy.url, prefix) as here, RedisBus(redis.URL, prefix) as there:
        here.subscribe("t", here_heard.append)
        there.subscribe("t", there_heard.append)
        await here.settled()
        await there.settled()
        await here.publish("t", b"before")
        await until(lambda: there_heard == [b"before"])
        await proxy.fall_ill(illness)
        await noticed(here)
        for number in range(500):
            await here.publish("t", b"%d" % number)
        await there.publish("t", b"missed")
        assert here_heard == [b"before", *(b"%d" % number for number in range(500))]
        await proxy.recover()
        await back(here)
        await here.publish("t", b"after")
        await until(lambda: there_heard[-1] == b"after")
        await there.publish("t", b"and back")
        await until(lambda: here_heard[-1] == b"and back")
    assert there_heard == [b"before", b"missed", b"after", b"and back"]
    assert b"missed" not in here_heard
    assert here_heard.count(b"after") == 1
    assert lines(caplog) == ["bus.down", "bus.back"]


async def test_who_comes_and_goes_meanwhile_is_known_afterwards(proxy: Proxy, prefix: str, illness: Illness) -> None:
    heard: list[str] = []
    async with RedisBus(proxy.url, prefix) as here, RedisBus(redis.URL, prefix) as there:
        leave = here.subscribe("goes", lambda _: heard.append("goes"))
        await here.settled()
        await proxy.fall_ill(illness)
        await noticed(here)
        leave()
        here.subscribe("comes", lambda _: heard.append("comes"))
        await proxy.recover()
        await back(here)
        for topic in ("goes", "comes"):
            await there.publish(topic, b"")
        await until(lambda: heard)
    assert heard == ["comes"]


async def test_it_opens_without_redis_and_finds_it_later(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []
    await proxy.fall_ill(illness)
    async with RedisBus(proxy.url, prefix) as here, RedisBus(redis.URL, prefix) as there:
        here.subscribe("t", heard.append)
        await here.publish("t", b"own")
        await proxy.recover()
        await back(here)
        await there.publish("t", b"other's")
        await until(lambda: len(heard) == 2)
    assert heard == [b"own", b"other's"]
    assert lines(caplog) == ["bus.down", "bus.back"]


async def test_the_status_tells_of_it(proxy: Proxy, prefix: str, illness: Illness) -> None:
    limiter, bus = RedisLimiter(redis.URL, prefix), RedisBus(proxy.url, prefix)
    async with running_service(limiter=limiter, bus=bus) as service, await service.bearer("admin") as admin:
        assert await component(admin, "bus") == ("healthy", "up", "answers")
        await proxy.fall_ill(illness)
        await noticed(bus)
        overall, told, message = await component(admin, "bus")
        assert (overall, told) == ("degraded", "down")
        assert message.startswith("Redis cannot be reached: ")
        await proxy.recover()
        assert await up_again(admin, "bus") == ("healthy", "up", "answers")


async def test_a_request_that_has_news_to_tell_is_not_held_up(proxy: Proxy, prefix: str, illness: Illness) -> None:
    limiter, bus = RedisLimiter(redis.URL, prefix), RedisBus(proxy.url, prefix)
    async with running_service(limiter=limiter, bus=bus) as service, await service.bearer("alice") as alice:
        await proxy.fall_ill(illness)
        assert (await alice.post("/auth/logout")).status_code == 200
        assert (await alice.get("/api/session")).status_code == 401
