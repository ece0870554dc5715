"""The machine's clock jumps, forward and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from generalbots_api.backends.sqlite import SqliteStorage
from tests.backends.redis.proxy import until
from tests.faults.table import Table
from tests.support.promises import close_code, token_of
from tests.support.puppet import Puppet, history, new_session, talk
from tests.support.service import Service, running_service

pytestmark = pytest.mark.anyio
HOUR, DAY = 3_600, 86_400
WINDOW, LIMIT = 3_600, 30


@pytest.fixture
def puppet() -> Puppet:
    return Puppet()


@pytest.fixture
async def service(tmp_path: Path, puppet: Puppet) -> AsyncIterator[Service]:
    """Its logins last for days."""
    long = {"session_idle_timeout": 10 * DAY, "session_lifetime": 10 * DAY, "standing_max_age": 20 * DAY}
    async with running_service(
        storage=SqliteStorage(tmp_path / "x.db"), bots=[puppet], settings={**long, "limit_user": LIMIT}
    ) as service:
        yield service


@pytest.mark.parametrize("jump", [-DAY, -HOUR, -1, 1, HOUR, DAY])
async def test_a_conversation_goes_on_and_stays_in_order(
    service: Service, puppet: Puppet, jump: int, table: Table
) -> None:
    async with await service.bearer("alice") as alice:
        session = await new_session(alice)
        async with talk(service, token_of(alice), session) as socket:
            for turn in range(3):
                await socket.send(f"{turn}", id=f"c-{turn}")
                await puppet.began(turn + 1)
                puppet.say("so ")
                service.clock.advance(jump if turn == 1 else 0)
                await service.gb._services.sockets.sweep()
                await service.gb._services.chat.nodes.beat()
                puppet.say("far")
                puppet.end()
                await socket.hear_until("message")
            messages = await history(alice, session)
    assert [one["seq"] for one in messages] == list(range(1, 7))
    assert [one["content"] for one in messages] == ["0", "so far", "1", "so far", "2", "so far"]
    assert {one["status"] for one in messages} == {"completed"}
    table.note(f"clock jumps by {jump:+,} s", "3 turns in order, socket and login kept, no reply cut", "so", holds=True)


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
async def test_nobody_is_shut_out_by_his_limit_for_longer_than_a_window(
    service: Service, jump: int, table: Table
) -> None:
    async with await service.bearer("alice") as alice:
        await used_up(alice)
        service.clock.advance(jump)
        allowed = await used_up(alice)
        service.clock.advance(WINDOW)
        assert (await alice.get("/api/session")).status_code == 200
    assert allowed <= LIMIT
    figure = f"{allowed} more requests at once; all of them a window later"
    table.note(f"limits when the clock jumps by {jump:+,} s", figure, f"≤ {LIMIT} more", holds=True)


async def used_up(client: httpx2.AsyncClient) -> int:
    """Ask until it is refused: how often it was not."""
    count = 0
    while (await client.get("/api/session")).status_code == 200:
        count += 1
        assert count <= LIMIT
    return count


async def test_a_login_that_is_over_by_the_clock_is_over_everywhere_and_its_reply_is_stored(
    service: Service, puppet: Puppet, table: Table
) -> None:
    async with await service.bearer("alice") as alice:
        session = await new_session(alice)
        async with talk(service, token_of(alice), session) as socket:
            await socket.send("Hello", id="c-1")
            await puppet.began()
            service.clock.advance(11 * DAY)
            await service.gb._services.sockets.sweep()
            assert await close_code(socket.socket) == 4401
            assert (await alice.get("/api/session")).status_code == 401
            puppet.say("Hi")
            puppet.end()
            await until(lambda: service.gb._services.turns.running == 0)
    async with await service.bearer("alice") as alice:
        assert [one["content"] for one in await history(alice, session)] == ["Hello", "Hi"]
    table.note("clock past the end of a login", "401, socket closed 4401, the reply stored", "so", holds=True)
