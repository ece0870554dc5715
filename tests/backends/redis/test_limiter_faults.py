"""Redis gone, hanging, talking nonsense or empty: what a request sees, and what the log and the status tell."""

from __future__ import annotations

from functools import partial

import pytest

from generalbots_api.backends.redis import RedisLimiter
from generalbots_api.backends.redis.line import MAX_BATCH
from generalbots_api.errors import Unavailable
from generalbots_api.limits.model import Quota
from generalbots_api.testing.contract import at_once
from tests.backends.redis.proxy import ILLNESSES, Illness, Proxy
from tests.backends.redis.ward import component, first_counted, lines, up_again, ward
from tests.support.promises import check_error

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("illness", ILLNESSES)]

TEN = Quota("user", 10, 60)
NOW = 1_768_910_400.0


async def test_open_lets_requests_in_and_counts_again_when_redis_is_back(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    async with ward(proxy, prefix, limit_anonymous=10) as service, service.client() as client:
        assert (await client.get("/health")).headers["x-ratelimit-remaining"] == "9"
        await proxy.fall_ill(illness)
        answers = await at_once(*[partial(client.get, "/health")] * 150)
        answers += [await client.get("/health") for _ in range(50)]
        assert {(one.status_code, one.headers["x-ratelimit-remaining"]) for one in answers} == {(200, "10")}
        assert lines(caplog) == ["limiter.down"]
        await proxy.recover()
        assert await first_counted(client, "10") == "8"
    assert lines(caplog) == ["limiter.down", "limiter.back"]


async def test_closed_refuses_with_503_and_all_the_headers(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    async with ward(proxy, prefix, limiter_failure="closed", limit_window=600) as service, service.client() as client:
        await proxy.fall_ill(illness)
        answers = await at_once(*[partial(client.get, "/health")] * 60)
        answers += [await client.get("/health") for _ in range(20)]
        for answer in answers:
            check_error(answer, 503, "SERVER_ERROR")
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["x-ratelimit-limit"] == "60"
            assert answer.headers["x-ratelimit-remaining"] == "0"
            assert answer.headers["x-ratelimit-reset"] == str(int(service.clock.unix()) + 600)
            assert answer.headers["ratelimit-policy"] == '"anonymous";q=60;w=600'
            assert answer.headers["ratelimit"] == '"anonymous";r=0;t=600'
        await proxy.recover()
        assert await first_counted(client, "0") == "59"
    assert lines(caplog) == ["limiter.down", "limiter.back"]


async def test_local_counts_in_this_process_until_redis_is_back(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"limiter_failure": "local", "limit_anonymous": 20}
    async with ward(proxy, prefix, **settings) as service, service.client() as client:
        for _ in range(3):
            await client.get("/health")
        await proxy.fall_ill(illness)
        answers = [await client.get("/health") for _ in range(22)]
        assert [one.status_code for one in answers] == [*[200] * 20, *[429] * 2]
        assert [one.headers["x-ratelimit-remaining"] for one in answers] == [*map(str, reversed(range(20))), "0", "0"]
        await proxy.recover()
        assert await first_counted(client, "0") == "16"
    assert lines(caplog) == ["limiter.down", "limiter.back"]


async def test_after_the_first_failure_no_request_is_sent_there_to_wait(
    proxy: Proxy, prefix: str, illness: Illness
) -> None:
    async with ward(proxy, prefix) as service, service.client() as client:
        await client.get("/health")
        await proxy.fall_ill(illness)
        await client.get("/health")
        proxy.commands.clear()
        for _ in range(100):
            await client.get("/health")
        assert proxy.commands["EVALSHA"] == 0


async def test_those_who_wait_are_all_told_at_once(proxy: Proxy, prefix: str, illness: Illness) -> None:
    """In one batch and behind it: the bound of the first is the bound of all."""
    failures: list[str] = []
    async with RedisLimiter(proxy.url, prefix) as limiter:
        await limiter.take("k", TEN, NOW)
        await proxy.fall_ill(illness)
        proxy.commands.clear()

        async def take() -> None:
            try:
                await limiter.take("k", TEN, NOW)
            except Unavailable as error:
                failures.append(error.message)

        await at_once(*[take] * (3 * MAX_BATCH))
    assert len(failures) == 3 * MAX_BATCH
    assert len(set(failures)) == 1
    assert proxy.commands["EVALSHA"] <= MAX_BATCH


async def test_an_illness_before_the_first_request_is_the_same(
    proxy: Proxy, prefix: str, illness: Illness, caplog: pytest.LogCaptureFixture
) -> None:
    await proxy.fall_ill(illness)
    async with ward(proxy, prefix) as service, service.client() as client:
        assert (await client.get("/health")).status_code == 200
        await proxy.recover()
        assert await first_counted(client, "60") == "59"
    assert lines(caplog) == ["limiter.down", "limiter.back"]


@pytest.mark.parametrize(
    "policy",
    [
        ("open", "down", "requests are let in without a count"),
        ("local", "degraded", "requests are counted by each process"),
    ],
)
async def test_the_status_tells_of_it_and_of_what_becomes_of_requests(
    proxy: Proxy, prefix: str, illness: Illness, policy: tuple[str, str, str]
) -> None:
    setting, status, meanwhile = policy
    async with ward(proxy, prefix, limiter_failure=setting) as service, await service.bearer("admin") as admin:
        assert await component(admin, "limiter") == ("healthy", "up", "answers")
        await proxy.fall_ill(illness)
        overall, told, message = await component(admin, "limiter")
        assert (overall, told) == ("degraded", status)
        assert message.startswith("Redis cannot be reached: ")
        assert message.endswith(f"; {meanwhile}")
        await proxy.recover()
        assert await up_again(admin, "limiter") == ("healthy", "up", "answers")
