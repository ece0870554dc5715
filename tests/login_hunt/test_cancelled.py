"""Requests that a server, or a host's own time-out, cancels: as asyncio does it, which goes through anyio's shields."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import anyio
import pytest

from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.ids import LoginId, UserId
from generalbots_api.storage import Storage
from tests.support.nodes import SILENT
from tests.support.promises import close_code, token_of
from tests.support.service import running_service
from tests.support.wire import Wire

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
    storage.logins = held = Held(storage.logins)  # type: ignore[misc]
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        async with service.socket(token_of(alice)) as socket:
            request = asyncio.create_task(alice.post("/auth/logout"))
            await held.has_ended.wait()
            request.cancel()
            with suppress(asyncio.CancelledError):
                await request
            held.may_go_on.set()
            assert await close_code(socket) == 4401


class Held:
    """A store whose `end` has ended the login, and takes its time to say so."""

    def __init__(self, inner: LoginStore) -> None:
        self.inner = inner
        self.has_ended, self.may_go_on = anyio.Event(), anyio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def end(self, id: LoginId) -> Login | None:
        ended = await self.inner.end(id)
        self.has_ended.set()
        await self.may_go_on.wait()
        return ended
