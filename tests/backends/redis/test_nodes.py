"""Two services on one storage and one Redis: one budget, and what happens on one is known on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.testing import ManualClock
from generalbots_api.testing.contract import at_once
from tests.backends.redis.proxy import Proxy, told
from tests.support import redis
from tests.support.nodes import SILENT, Held
from tests.support.puppet import history, new_session, talk
from tests.support.service import Service, new_dev, running_service

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def two(prefix: str, *urls: str, **settings: Any) -> AsyncIterator[list[Service]]:
    """Each with a limiter and a bus of its own, at the URL given."""
    clock, storage = ManualClock(), MemoryStorage()
    dev = new_dev(clock)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(storage)
        yield [
            await stack.enter_async_context(
                running_service(
                    storage=Held(storage),  # type: ignore[arg-type] # a Storage by delegation
                    clock=clock,
                    dev=dev,
                    limiter=RedisLimiter(url, prefix),
                    bus=RedisBus(url, prefix),
                    settings={**SILENT, **settings},
                )
            )
            for url in urls
        ]


async def test_racing_requests_on_two_nodes_share_one_budget_exactly(prefix: str) -> None:
    async with two(prefix, redis.URL, redis.URL, limit_user=40) as [a, b]:
        headers = {"Authorization": f"Bearer {await a.token('alice')}"}
        async with a.client(headers=headers) as on_a, b.client(headers=headers) as on_b:
            answers = await at_once(*[partial(node.get, "/api/session") for _ in range(40) for node in (on_a, on_b)])
    left = [int(one.headers["x-ratelimit-remaining"]) for one in answers if one.status_code == 200]
    assert sorted(left) == list(range(40))
    assert [one.status_code for one in answers].count(429) == 40


async def test_a_logout_on_one_node_is_felt_on_the_other_at_once(prefix: str) -> None:
    """The clock stands still, so no memory of the session ends by itself."""
    async with two(prefix, redis.URL, redis.URL) as [a, b]:
        headers = {"Authorization": f"Bearer {await a.token('alice')}"}
        async with a.client(headers=headers) as on_a, b.client(headers=headers) as on_b:
            assert (await on_b.get("/api/session")).status_code == 200
            assert (await on_a.post("/auth/logout")).status_code == 200
            await told(partial(on_b.get, "/api/session"), lambda answer: answer.status_code == 401)


async def test_a_node_that_has_lost_redis_goes_on_and_the_other_counts_by_itself(proxy: Proxy, prefix: str) -> None:
    async with two(prefix, proxy.url, redis.URL, limiter_failure="local", limit_anonymous=5) as [a, b]:
        await proxy.fall_ill("hangs")
        async with a.client() as on_a, b.client() as on_b:
            seen = [(await client.get("/health")).status_code for client in (on_a, on_b) for _ in range(6)]
    assert seen == [*[200] * 5, 429, *[200] * 5, 429]


async def test_what_was_said_while_redis_was_away_is_there_when_it_is_back(proxy: Proxy, prefix: str) -> None:
    """Nothing else is said afterwards that would show the hole."""
    async with two(prefix, redis.URL, proxy.url) as [a, b]:
        token = await a.token("alice")
        async with a.client(headers={"Authorization": f"Bearer {token}"}) as alice:
            session = await new_session(alice, "echo")
            async with talk(b, token, session) as on_b:
                await on_b.subscribe()
                await proxy.fall_ill("refuses")
                await alice.post(f"/api/conversations/{session}/messages", json={"content": "hello"})
                said = await told(partial(history, alice, session), lambda messages: len(messages) == 2)
                await proxy.recover()
                heard = [await on_b.hear_until("message") for _ in range(2)]
    assert sorted(frames[-1]["message_id"] for frames in heard) == sorted(one["message_id"] for one in said)


async def test_a_message_to_one_node_shows_on_the_other_from_the_moment_of_joining(prefix: str) -> None:
    async with two(prefix, redis.URL, redis.URL) as [a, b]:
        token = await a.token("alice")
        async with a.client(headers={"Authorization": f"Bearer {token}"}) as alice:
            for turn in range(10):
                session = await new_session(alice, "echo")
                path = f"/api/conversations/{session}/messages"
                async with talk(b, token, session) as on_b:
                    await on_b.subscribe()
                    await alice.post(path, json={"content": f"{turn}"})
                    heard = [(await on_b.hear_until("message"))[-1]["sender"] for _ in range(2)]
                assert heard == ["user", "bot"]
