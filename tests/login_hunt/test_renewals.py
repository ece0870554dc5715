"""Refreshes beside a logout, and beside each other."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import httpx2
import pytest

from generalbots_api.storage import Storage
from generalbots_api.testing.contract import at_once
from tests.support.nodes import SILENT, nodes
from tests.support.promises import check_error
from tests.support.service import running_service
from tests.support.wire import Wire

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

TOKEN = "/oauth/v2/token"
REVOKE = "/oauth/v2/revoke"
ME = "/api/users/me"
AHEAD = 3_541


async def test_new_tokens_that_come_while_the_old_ones_are_taken_back_are_taken_back_too(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        answers: list[httpx2.Response] = []
        fresh: list[str] = []

        def note(answer: httpx2.Response) -> Any:
            fresh.append(answer.json()["refresh_token"])
            return answer.json()

        wire.changes[TOKEN] = note
        is_asked, refresh = wire.hold(TOKEN)
        is_revoked, revoke = wire.hold(REVOKE)

        is_answered = anyio.Event()

        async def call(method: str, path: str) -> None:
            answers.append(await alice.request(method, path))
            is_answered.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "GET", ME)
            await is_asked.wait()
            tasks.start_soon(call, "POST", "/auth/logout")
            await is_revoked.wait()
            refresh.set()
            await is_answered.wait()
            revoke.set()
        check_error(answers[0], 401, "UNAUTHORIZED")
        assert answers[1].json()["directory_revoked"] is True
        service.dev._state.lapses._ended.clear()
        revocations = service.gb._services.revocations
        assert revocations is not None
        while await revocations.try_next():
            pass
        assert wire.count(REVOKE, token=fresh[0]) == 1


async def test_a_provider_that_gives_the_same_access_token_again_is_asked_once(storage: Storage) -> None:
    """It may: only the time that the token lives for is new then."""
    access: list[str] = []

    def same(answer: httpx2.Response) -> dict[str, Any]:
        access.append(answer.json()["access_token"])
        return {**answer.json(), "access_token": access[0]}

    async with nodes(storage, 2) as all:
        for wire in all.wires:
            wire.changes[TOKEN] = same
        token = await all.services[0].token("alice")
        all.clock.advance(AHEAD)
        clients = [all.client(number % 2, token) for number in range(20)]
        answers = await at_once(*(partial(client.get, ME) for client in clients))
        assert {answer.status_code for answer in answers} == {200}
        assert all.refreshes() == 1
