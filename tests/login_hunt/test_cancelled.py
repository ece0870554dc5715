"""Requests that a server, or a host's own time-out, cancels: as asyncio does it, which goes through anyio's shields."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from generalbots_api.auth.ports import LoginStore
from generalbots_api.ids import UserId
from generalbots_api.storage import Storage
from tests.support.nodes import SILENT
from tests.support.promises import close_code, token_of
from tests.support.service import running_service
from tests.support.wire import Wire
from tests.test_login_freshness import bots, change, usable

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

TOKEN = "/oauth/v2/token"
ME = "/api/users/me"
AHEAD = 3_541


async def test_a_request_that_is_cancelled_does_not_cost_the_new_tokens(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        user = UserId(service.dev.user_id("alice"))
        [before] = await storage.logins.of_user(user)
        service.clock.advance(AHEAD)
        is_asked, go_on = wire.hold(TOKEN)
        request = asyncio.create_task(alice.get(ME))
        await is_asked.wait()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        go_on.set()
        with anyio.fail_after(5):
            assert (await alice.get(ME)).status_code == 200
        [after] = await storage.logins.of_user(user)
        assert after.sealed_grant != before.sealed_grant
        assert wire.count(TOKEN, grant_type="refresh_token") == 1


async def test_a_logout_that_is_cancelled_ends_the_session_and_closes_its_sockets(storage: Storage) -> None:
    storage.logins = held = Held(storage.logins, "end")  # type: ignore[misc]
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        async with service.socket(token_of(alice)) as socket:
            request = asyncio.create_task(alice.post("/auth/logout"))
            await held.is_done.wait()
            request.cancel()
            with suppress(asyncio.CancelledError):
                await request
            held.may_go_on.set()
            assert await close_code(socket) == 4401


async def test_a_change_of_a_group_that_is_cancelled_is_felt_once_the_directory_has_made_it(storage: Storage) -> None:
    storage.logins = held = Held(storage.logins, "of_user")  # type: ignore[misc]
    held.may_go_on.set()
    async with running_service(storage=storage, bots=bots()) as service:
        alice, admin = await service.bearer("alice"), await service.bearer("admin")
        assert await usable(alice) == {"by-name", "by-id"}
        held.is_done, held.may_go_on = anyio.Event(), anyio.Event()
        request = asyncio.create_task(change(admin, service, "remove", "alice"))
        await held.is_done.wait()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        held.may_go_on.set()
        await anyio.wait_all_tasks_blocked()
        held.is_done = anyio.Event()
        with anyio.fail_after(5):
            while await usable(alice):
                await anyio.wait_all_tasks_blocked()


class Held:
    """A store; one method of it is done, and takes its time to say so."""

    def __init__(self, inner: LoginStore, method: str) -> None:
        self.inner, self.method = inner, method
        self.is_done, self.may_go_on = anyio.Event(), anyio.Event()

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[object]] = getattr(self.inner, name)

        async def held(*arguments: object) -> object:
            answer = await call(*arguments)
            self.is_done.set()
            await self.may_go_on.wait()
            return answer

        return held if name == self.method else call
