"""The way to the server is cut, hangs, and comes back; the storage is never opened anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.errors import Unavailable
from generalbots_api.testing.contract import NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message
from generalbots_api.testing.logins import a_login
from generalbots_api.testing.replies import a_reply
from tests.backends.postgres.proxy import Proxy

pytestmark = pytest.mark.anyio
TIMEOUT = 1.0  # seconds
GUARD = 20  # seconds: only a test that hangs needs as long


@pytest.fixture
async def storage(proxy: Proxy, schema: str) -> AsyncIterator[PostgresStorage]:
    async with opened(proxy, schema, TIMEOUT) as storage:
        yield storage


@asynccontextmanager
async def opened(proxy: Proxy, schema: str, timeout: float) -> AsyncIterator[PostgresStorage]:
    with anyio.fail_after(GUARD):
        async with PostgresStorage(proxy.dsn, schema=schema, timeout=timeout) as storage:
            await busy(storage)
            yield storage


async def busy(storage: PostgresStorage) -> None:
    """Have several connections open."""
    await at_once(*[lambda: storage.log.head(S1)] * 20)


async def until_back(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except Unavailable:
            continue
        return


async def test_connections_that_died_unused_cost_nothing(proxy: Proxy, schema: str) -> None:
    async with opened(proxy, schema, 5) as storage:
        for _ in range(3):
            proxy.cut()
            await proxy.quiet()
            await storage.log.add_message(a_message("1", id="c"), PLENTY, NOON)
            await busy(storage)


async def test_what_is_in_flight_when_the_server_goes_is_unavailable_and_no_more(
    proxy: Proxy, storage: PostgresStorage
) -> None:
    proxy.hang()
    async with anyio.create_task_group() as group:
        group.start_soon(unavailable, lambda: storage.log.add_message(a_message("lost"), PLENTY, NOON))
        await proxy.held()
        proxy.cut()
    proxy.flow()
    await storage.log.add_message(a_message("1"), PLENTY, NOON)
    assert [one.message_id for one in (await storage.log.after(S1, 0, 10)).messages] == ["m-1"]


async def test_a_server_that_hangs_is_unavailable_in_time_and_then_of_use_again(
    proxy: Proxy, storage: PostgresStorage
) -> None:
    proxy.hang()
    operations: list[Callable[[], Awaitable[object]]] = [
        lambda: storage.logins.get(a_login("x").id),
        lambda: storage.logins.open(a_login("x"), 5),
        lambda: storage.log.add_message(a_message("x"), PLENTY, NOON),
        storage.ping,
    ]
    await at_once(*(lambda work=work: unavailable(work) for work in operations * 10))
    proxy.flow()
    await until_back(storage.ping)
    await storage.log.add_message(a_message("1"), PLENTY, NOON)


async def test_who_waits_for_a_server_that_hangs_can_be_cancelled_at_once(proxy: Proxy, schema: str) -> None:
    async with opened(proxy, schema, 0.6 * GUARD) as storage:  # which the pool may take to close as well
        proxy.hang()
        with anyio.fail_after(0.3 * GUARD):  # less than a question may take
            async with anyio.create_task_group() as group:
                group.start_soon(storage.log.head, S1)
                group.start_soon(storage.logins.open, a_login("x"), 5)
                for _ in range(50):  # wherever they are by then: for a connection, or for the answer
                    await asyncio.sleep(0)
                group.cancel_scope.cancel()
        proxy.stop()


async def test_what_was_cancelled_leaves_its_connection_in_order(proxy: Proxy, storage: PostgresStorage) -> None:
    connections = proxy.connections
    for number in range(20):
        task = asyncio.ensure_future(storage.log.add_message(a_message(str(number)), PLENTY, NOON))
        await asyncio.sleep(0)
        task.cancel()
    await storage.log.add_reply(a_reply("1"), None, NOON)
    await storage.ping()
    assert proxy.connections <= connections + 10  # the pool's bound: it may grow, and replaces none


async def test_a_server_that_is_down_is_unavailable_until_it_is_up(
    proxy: Proxy, storage: PostgresStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "generalbots_api")
    proxy.stop()
    await at_once(*[lambda: unavailable(storage.ping)] * 10)
    await unavailable(lambda: storage.log.head(S1))
    await proxy.start()
    await until_back(storage.ping)
    await busy(storage)
    assert [record.message for record in caplog.records if record.name == "generalbots_api.postgres"] == [
        "postgres.down",
        "postgres.back",
    ]


async def test_a_server_that_restarts_soon_is_waited_for(proxy: Proxy, schema: str) -> None:
    async with opened(proxy, schema, 20) as storage:
        proxy.stop()
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(storage.log.head, S1)
            await proxy.start()


async def test_it_can_be_closed_while_the_server_hangs(proxy: Proxy, schema: str) -> None:
    async with opened(proxy, schema, TIMEOUT) as storage:
        proxy.hang()
        await unavailable(storage.ping)


async def test_what_a_request_needs_most_is_one_round_trip(proxy: Proxy, schema: str) -> None:
    async with PostgresStorage(proxy.dsn, schema=schema, pool_size=1, timeout=30) as storage:
        names = iter(range(100))
        login = a_login("x")
        await storage.logins.open(login, 5)
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: storage.logins.by_token(login.token_hash),
            lambda: storage.logins.touch(login.id, NOON),
            lambda: storage.logins.open(a_login(str(next(names))), 5),
            lambda: storage.bot_sessions.get(S1),
            lambda: storage.log.add_message(a_message(str(next(names))), PLENTY, NOON),
            lambda: storage.log.add_reply(a_reply(str(next(names))), {"x": 1}, NOON),
            lambda: storage.log.after(S1, 0, 50),
            lambda: storage.log.head(S1),
        ]
        for operation in operations:
            await operation()  # prepares its statements
            before = proxy.round_trips
            await operation()
            assert proxy.round_trips - before == 1


async def unavailable(work: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(Unavailable):
        await work()
