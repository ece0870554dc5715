"""The bus in Redis: what other processes hear, once and in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis import Redis

from generalbots_api.backends.redis import RedisBus
from generalbots_api.backends.redis.line import MAX_WAITING, MAX_WAITING_BYTES
from generalbots_api.testing.contract import HOSTILE
from tests.backends.redis.proxy import Proxy, until
from tests.backends.redis.ward import lines
from tests.support import redis

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(proxy: Proxy, prefix: str) -> AsyncIterator[RedisBus]:
    async with RedisBus(proxy.url, prefix) as bus:
        yield bus


@pytest.fixture
async def there(prefix: str, anyio_backend: str) -> AsyncIterator[RedisBus]:
    async with RedisBus(redis.URL, prefix) as bus:
        yield bus


async def test_another_process_hears_everything_once_and_in_order(here: RedisBus, there: RedisBus) -> None:
    own: list[bytes] = []
    other: list[bytes] = []
    here.subscribe("t", own.append)
    there.subscribe("t", other.append)
    await here.settled()
    await there.settled()
    sent = [b"%d \x00\xff" % number for number in range(2_000)]
    for payload in sent:
        await here.publish("t", payload)
    assert own == sent
    await until(lambda: len(other) >= len(sent))
    await there.publish("t", b"the last")  # after which nothing of the first can come any more
    await until(lambda: own[-1] == b"the last")
    assert (own, other) == ([*sent, b"the last"], [*sent, b"the last"])


async def test_topics_stay_apart_whatever_they_are_called(here: RedisBus, there: RedisBus) -> None:
    heard: list[bytes] = []
    for topic in HOSTILE:
        there.subscribe(topic, heard.append)
    await there.settled()
    await here.publish("nobody listens", b"x")
    for number, topic in enumerate(HOSTILE):
        await here.publish(topic, b"%d" % number)
    await until(lambda: len(heard) >= len(HOSTILE))
    assert heard == [b"%d" % number for number in range(len(HOSTILE))]


async def test_another_prefix_is_another_bus(here: RedisBus, prefix: str) -> None:
    heard: list[str] = []
    async with RedisBus(redis.URL, prefix + "x") as stranger, RedisBus(redis.URL, prefix) as there:
        stranger.subscribe("t", lambda _: heard.append("stranger"))
        there.subscribe("t", lambda _: heard.append("there"))
        await stranger.settled()
        await there.settled()
        await here.publish("t", b"x")
        await until(lambda: heard)
        await stranger.settled()
    assert heard == ["there"]


async def test_redis_is_told_of_the_topics_that_somebody_listens_to_and_of_no_others(
    here: RedisBus, prefix: str
) -> None:
    with Redis.from_url(redis.URL) as server:
        leaves = [here.subscribe(f"t{number % 2500}", lambda _: None) for number in range(5_000)]
        await here.settled()
        assert len(server.pubsub_channels(f"{prefix}:*")) == 2_500
        for leave in leaves[:2_500]:
            leave()
        await here.settled()
        assert len(server.pubsub_channels(f"{prefix}:*")) == 2_500
        for leave in leaves[2_501:]:
            leave()
        await here.settled()
        assert server.pubsub_channels(f"{prefix}:*") == [f"{prefix}:bus:t0".encode()]


async def test_one_who_comes_and_goes_and_comes_is_there(here: RedisBus, there: RedisBus) -> None:
    heard: list[bytes] = []
    for _ in range(3):
        there.subscribe("t", heard.append)()
    leave = there.subscribe("t", heard.append)
    await there.settled()
    await here.publish("t", b"1")
    await until(lambda: heard == [b"1"])
    leave()
    await there.settled()
    await here.publish("t", b"2")
    await here.publish("u", b"")
    await there.settled()
    assert heard == [b"1"]


async def test_who_listens_before_the_bus_is_open_hears_when_it_is(here: RedisBus, prefix: str) -> None:
    heard: list[bytes] = []
    bus = RedisBus(redis.URL, prefix)
    bus.subscribe("t", heard.append)
    for round in (b"1", b"2"):  # it can be opened again
        async with bus:
            await bus.settled()
            await here.publish("t", round)
            await until(lambda: heard[-1:] == [round])  # noqa: B023 - waited for here
            async with bus:
                pass
            await bus.ping()  # open until the last one has left
    await bus.publish("t", b"closed")
    assert heard == [b"1", b"2", b"closed"]


async def test_what_is_published_before_the_end_still_goes_out(there: RedisBus, prefix: str) -> None:
    heard: list[bytes] = []
    there.subscribe("t", heard.append)
    await there.settled()
    async with RedisBus(redis.URL, prefix) as bus:
        for number in range(500):
            await bus.publish("t", b"%d" % number)
    await until(lambda: len(heard) >= 500)
    assert heard == [b"%d" % number for number in range(500)]


async def test_news_of_strangers_and_listeners_that_fail_do_not_stop_the_others(
    here: RedisBus, there: RedisBus, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []

    def fails(payload: bytes) -> None:
        raise ValueError("of another version")

    there.subscribe("bad", fails)
    there.subscribe("good", heard.append)
    await there.settled()
    with Redis.from_url(redis.URL) as server:
        server.publish(f"{prefix}:bus:bad", b"\xff" * 40)
    await here.publish("good", b"1")
    await until(lambda: heard)
    await until(lambda: lines(caplog))
    assert (heard, lines(caplog)) == ([b"1"], ["bus.news_failed"])


async def test_a_flood_is_bounded_and_holds_up_nobody(here: RedisBus) -> None:
    heard: list[bytes] = []
    here.subscribe("t", heard.append)
    for _ in range(MAX_WAITING + 7):  # without a moment for the event loop
        await here.publish("t", b"x")
    assert (len(heard), here.lost) == (MAX_WAITING + 7, 7)


async def test_a_flood_is_bounded_in_bytes_too(here: RedisBus) -> None:
    mebibyte = bytes(1_048_576)
    for _ in range(MAX_WAITING_BYTES // len(mebibyte) + 3):
        await here.publish("t", mebibyte)
    assert here.lost == 3


@pytest.mark.parametrize("url", ["", "postgresql://h", "redis://:secret@h:port"])
def test_what_is_no_url_of_redis_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: ") as told:
        RedisBus(url)
    assert "secret" not in str(told.value)
