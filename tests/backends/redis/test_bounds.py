"""What nobody may wait longer than, as it is configured; and Redis restarted, with everything forgotten."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest
from redis import Redis
from redis.asyncio import Connection

from generalbots_api.backends.redis import connecting, line, listening
from generalbots_api.errors import Unavailable
from tests.backends.redis.proxy import GUARD, Proxy
from tests.backends.redis.ward import first_counted, lines, ward
from tests.support import redis

pytestmark = pytest.mark.anyio


def test_a_request_waits_a_quarter_of_a_second_at_most() -> None:
    assert connecting.TIMEOUT == 0.25  # from when it comes: queueing, connecting, writing and reading together


def test_redis_is_back_for_the_limiter_within_five_seconds() -> None:
    assert max(line.PAUSES) + connecting.TIMEOUT < 5


def test_redis_is_back_for_the_bus_within_five_seconds_even_if_its_going_was_never_noticed() -> None:
    noticing = listening.HEARTBEAT + listening.PONG_TIMEOUT
    assert noticing + max(line.PAUSES) + connecting.TIMEOUT < 5


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01])
async def test_the_bound_is_a_deadline_on_the_loop_s_clock(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with pytest.raises(TimeoutError):
        async with connecting.bounded(deadline):
            await anyio.sleep_forever()
    assert loop.time() >= deadline


async def test_a_loop_that_was_held_up_reads_what_has_come_before_it_gives_up() -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def hold_up(rounds: int) -> None:
        until = loop.time() + 0.02
        while loop.time() < until:
            pass
        if rounds:
            loop.call_soon(hold_up, rounds - 1)
        else:
            arrived.set()

    loop.call_soon(hold_up, 5)
    async with connecting.bounded(loop.time() + 0.06):
        await arrived.wait()


async def test_a_restart_that_forgets_everything_costs_no_request(
    proxy: Proxy, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ward(proxy, prefix) as service, service.client() as client:
        for _ in range(3):
            await client.get("/health")
        proxy.cut()
        with Redis.from_url(redis.URL) as server:
            server.delete(*server.keys(f"{prefix}:*"))
            server.script_flush()
        assert await first_counted(client, "60") == "59"
        assert (await client.get("/health")).headers["x-ratelimit-remaining"] == "58"
    assert lines(caplog) in ([], ["limiter.down", "limiter.back"])  # it may be noticed before it matters


async def test_an_idle_connection_that_redis_closes_is_made_anew_and_nobody_notices(proxy: Proxy) -> None:
    connect, made = connecting.connector(proxy.url), list[Connection]()

    def remembered() -> Connection:
        made.append(connect())
        return made[-1]

    link = line.Line(remembered)
    await link.ping()
    proxy.cut()
    with anyio.fail_after(GUARD):
        while not await made[0].can_read():  # the end of it
            await anyio.lowlevel.checkpoint()
    await link.ping()
    assert (link.down, proxy.connections) == (None, 2)
    await link.close()


@pytest.mark.parametrize(("calls", "size"), [(line.MAX_WAITING, 0), (16, line.MAX_WAITING_BYTES // 16)])
async def test_past_its_bounds_in_calls_and_bytes_the_line_refuses_and_then_goes_on(
    proxy: Proxy, calls: int, size: int
) -> None:
    link = line.Line(connecting.connector(proxy.url))
    for _ in range(calls):
        link.post("PING", size=size)
    with pytest.raises(Unavailable, match="too much waits for it"):
        await link.call("PING", size=1)
    await link.flush()
    await link.ping()
    await link.close()
