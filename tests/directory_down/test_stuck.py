"""200 requests that wait for a hanging Directory are in nobody's way."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from httpx2 import AsyncClient as Client

from tests.directory_down.ailing import ward
from tests.support.promises import check_error, hear, opened, say, token_of

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
