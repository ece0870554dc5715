"""200 requests that wait for a hanging Directory are in nobody's way."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from httpx2 import AsyncClient as Client

from tests.directory_down.ailing import ward
from tests.support.promises import check_error, close_code, hear, opened, say, token_of

pytestmark = pytest.mark.anyio

FOR_EVER = 3_600.0
STALE = 301  # seconds after which roles are asked for again


@pytest.mark.parametrize("age", [0, STALE], ids=["fresh roles", "old roles"])
async def test_all_that_does_not_need_it_is_answered_while_200_are_stuck_and_the_201st_is_refused(age: int) -> None:
    statuses: Counter[int] = Counter()

    async def call(client: Client) -> None:
        statuses[(await client.get("/api/users/me")).status_code] += 1

    async with ward() as beds, await beds.service.bearer("alice") as alice, await beds.service.bearer("bob") as bob:
        id = await opened(alice)
        beds.service.clock.advance(age)
        assert (await bob.get("/api/session")).status_code == 200  # his roles are fresh again
        beds.directory.gate = gate = anyio.Event()
        beds.way.timeout = beds.way.slots.wait_timeout = FOR_EVER  # so that the test's machine may be slow
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(call, bob)
            await anyio.wait_all_tasks_blocked()
            assert (beds.directory.hanging, statuses) == (50, {})
            check_error(await bob.get("/api/users/me"), 503, "SERVER_ERROR")
            async with beds.service.socket(token_of(alice)) as socket:
                for n in range(3):
                    assert (await alice.get("/health")).status_code == 200
                    assert (await alice.get("/auth/validate")).json()["valid"] is True
                    assert (await bob.get("/auth/validate")).json()["valid"] is True
                    await say(socket, {"type": "message", "content": f"{n}", "session_id": id})
                    assert (await hear(socket))["content"] == f"{n}"
            check_error(await bob.get("/api/groups/list"), 503, "SERVER_ERROR")
            assert (beds.directory.hanging, statuses) == (50, {})
            gate.set()
    assert statuses == {200: 200}


async def test_who_is_asked_about_while_it_hangs_goes_on_with_the_old_roles_and_gets_the_new_ones_later() -> None:
    async with ward() as beds, await beds.service.bearer("alice") as alice:
        beds.service.gb._services.standings.patience = 0.01  # seconds
        beds.way.timeout = FOR_EVER
        beds.service.clock.advance(STALE)
        beds.service.dev.set_roles("alice", ["admin"])
        beds.directory.gate = gate = anyio.Event()
        for path in ("/auth/validate", "/api/session", "/api/bots", "/health") * 3:
            assert (await alice.get(path)).status_code == 200
        assert beds.directory.hanging == 1
        beds.service.clock.advance(6)
        assert (await alice.get("/api/session")).status_code == 200
        assert beds.directory.hanging == 1
        gate.set()
        await anyio.wait_all_tasks_blocked()
        beds.directory.illness = "refuses"
        beds.service.clock.advance(1)
        assert (await alice.get("/api/admin/system/metrics")).status_code == 200  # the roles are six seconds old


async def test_who_turns_out_to_be_shut_out_while_it_hangs_is_shut_out() -> None:
    async with ward() as beds, await beds.service.bearer("alice") as alice:
        beds.service.gb._services.standings.patience = 0.01  # seconds
        beds.way.timeout = FOR_EVER
        beds.service.clock.advance(STALE)
        beds.service.dev.deactivate("alice")
        beds.directory.gate = gate = anyio.Event()
        async with beds.service.socket(token_of(alice)) as socket:
            assert (await alice.get("/api/session")).status_code == 200
            gate.set()
            assert await close_code(socket) == 4401
        beds.service.clock.advance(1)
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
