"""A service that is stopping keeps nobody waiting for what may be long in coming."""

from __future__ import annotations

import anyio
import httpx2
import pytest

from tests.chat.conftest import Stage

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def test_who_waits_is_answered_as_the_service_stops(stage: Stage) -> None:
    path, answers = f"/api/conversations/{stage.session}", dict[str, httpx2.Response]()

    async def send() -> None:
        answers["send"] = await stage.client.post(
            f"{path}/messages", json={"content": "Hello"}, headers={"Prefer": "wait=60"}
        )

    async def poll() -> None:
        answers["poll"] = await stage.client.get(f"{path}/history?after=1&wait=25")

    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await stage.puppet.began()
            tasks.start_soon(poll)
            await anyio.wait_all_tasks_blocked()
            await stage.service.gb.drain(grace=0)
    assert (answers["send"].status_code, "reply" in answers["send"].json()) == (202, False)
    assert (answers["poll"].status_code, answers["poll"].json()["messages"]) == (200, [])
