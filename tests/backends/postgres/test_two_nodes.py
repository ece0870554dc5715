"""Two processes with one schema: here two storages, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.errors import Conflict
from generalbots_api.testing.contract import HOUR, NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message
from generalbots_api.testing.logins import a_login
from generalbots_api.testing.pending import a_pending
from generalbots_api.testing.replies import a_reply
from generalbots_api.testing.sessions import ADA, a_session
from tests.support import postgres

pytestmark = pytest.mark.anyio
Nodes = tuple[PostgresStorage, PostgresStorage]


@pytest.fixture
async def nodes(schema: str, anyio_backend: str) -> AsyncIterator[Nodes]:
    a, b = (PostgresStorage(postgres.DSN, schema=schema, pool_size=5, timeout=30) for _ in range(2))
    async with a, b:
        yield a, b


async def test_turns_of_both_in_one_session_leave_no_hole(nodes: Nodes) -> None:
    async def turn(number: int) -> None:
        log = nodes[number % 2].log
        await log.add_message(a_message(str(number)), PLENTY, NOON)
        await log.add_reply(a_reply(str(number)), {"last": number}, NOON)

    await at_once(*(partial(turn, number) for number in range(40)))
    pages = [await node.log.after(S1, 0, 100) for node in nodes]
    assert pages[0] == pages[1]
    assert [message.seq for message in pages[0].messages] == list(range(1, 81))
    assert await nodes[0].log.lost(NOON, 10) == []
    assert (await nodes[1].log.add_message(a_message("next"), 0, NOON)).behind == 0


async def test_one_message_sent_to_both_is_stored_once(nodes: Nodes) -> None:
    async def send(number: int) -> bool:
        message = a_message(str(number), id="c", content="same")
        return (await nodes[number % 2].log.add_message(message, PLENTY, NOON)).duplicate

    duplicates = await at_once(*(partial(send, number) for number in range(20)))
    assert sorted(duplicates) == [False] + [True] * 19
    assert (await nodes[0].log.head(S1)).seq == 1


async def test_of_both_as_many_wait_as_may(nodes: Nodes) -> None:
    async def send(number: int) -> bool:
        try:
            await nodes[number % 2].log.add_message(a_message(str(number)), 2, NOON)
        except Conflict:
            return False
        return True

    assert sum(await at_once(*(partial(send, number) for number in range(20)))) == 3


async def test_bounds_hold_over_both(nodes: Nodes) -> None:
    calls: list[Callable[[], Awaitable[object]]] = []
    for number in range(20):
        node = nodes[number % 2]
        calls += [
            partial(node.logins.open, a_login(str(number)), 3),
            partial(node.bot_sessions.open, a_session(str(number)), 3),
            partial(node.pending_logins.put, a_pending(str(number)), 10, 4),
        ]
    await at_once(*calls)
    assert len(await nodes[0].logins.of_user(ADA)) == 3
    assert len(await nodes[0].bot_sessions.active_of(ADA, NOON)) == 3
    assert await nodes[0].pending_logins.prune(NOON + HOUR) <= 4


async def test_of_both_one_holds_the_lease_and_one_ends_the_login(nodes: Nodes) -> None:
    login = a_login("one")
    await nodes[0].logins.open(login, 5)
    taken = await at_once(*(partial(node.leases.take, "job", str(node), NOON, NOON + HOUR) for node in nodes * 5))
    assert any(taken)
    assert len(await nodes[0].leases.held("")) == 1
    ended = await at_once(*(partial(node.logins.end, login.id) for node in nodes * 5))
    assert [one for one in ended if one is not None] == [login]


async def test_everything_at_once_ends_in_no_deadlock(nodes: Nodes) -> None:
    calls: list[Callable[[], Awaitable[object]]] = []
    for number in range(30):
        node, login = nodes[number % 2], a_login(str(number))
        calls += [
            partial(node.logins.open, login, 3),
            partial(node.logins.touch, a_login(str(number - 1)).id, NOON + HOUR),
            partial(node.logins.end, a_login(str(number - 2)).id),
            partial(node.logins.prune, NOON + HOUR, HOUR),
            partial(node.bot_sessions.open, a_session(str(number)), 2),
            partial(node.bot_sessions.end, a_session(str(number - 1)).id, NOON),
            partial(node.log.add_message, a_message(str(number)), PLENTY, NOON),
            partial(node.log.add_reply, a_reply(str(number)), {}, NOON),
            partial(node.log.add_end, S1, "deleted", NOON),
        ]
    await at_once(*calls)
    assert (await nodes[0].log.head(S1)).seq == 61
