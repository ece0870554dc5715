"""A storage or a Directory that fails for a moment, and what must not be lost by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from generalbots_api.errors import Unavailable
from generalbots_api.storage import Storage
from tests.directory_down.ailing import ward
from tests.support.nodes import SILENT
from tests.support.promises import check_error, token_of
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

ME = "/api/users/me"
AHEAD = 3_541


@dataclass
class Failing:
    """One store of a storage; the next calls of the methods in `failures` fail, as often as it says."""

    inner: object
    failures: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[object]] = getattr(self.inner, name)

        async def called(*arguments: object) -> object:
            if self.failures[name] > 0:
                self.failures[name] -= 1
                raise Unavailable("The storage does not answer")
            return await method(*arguments)

        return called


async def test_a_logout_token_is_good_again_when_the_sessions_could_not_be_ended(storage: Storage) -> None:
    storage.logins = failing = Failing(storage.logins)  # type: ignore[misc]
    async with running_service(storage=storage) as service:
        alice, directory = await service.bearer("alice"), service.client()
        form = {"logout_token": service.dev.logout_token("alice")}
        failing.failures["end"] = 1
        check_error(await directory.post("/auth/backchannel-logout", data=form), 503, "SERVER_ERROR")
        assert (await directory.post("/auth/backchannel-logout", data=form)).status_code == 200
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
        check_error(await directory.post("/auth/backchannel-logout", data=form), 400, "INVALID_REQUEST")


async def test_new_tokens_survive_a_storage_that_fails_for_a_moment(storage: Storage) -> None:
    storage.logins = failing = Failing(storage.logins)  # type: ignore[misc]
    async with running_service(storage=storage, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        failing.failures["set_grant"] = 3
        assert (await alice.get(ME)).status_code == 200
        service.clock.advance(AHEAD)
        assert (await alice.get(ME)).status_code == 200


async def test_admin_calls_that_wait_for_one_answer_share_its_failure() -> None:
    statuses: Counter[int] = Counter()
    async with ward() as beds, await beds.service.bearer("admin") as admin:
        beds.service.clock.advance(61)
        beds.directory.gate = anyio.Event()
        beds.way.timeout = 0.05

        async def ask() -> None:
            statuses[(await admin.get("/api/admin/system/metrics")).status_code] += 1

        before = beds.directory.calls
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert statuses == {503: 20}
        assert beds.directory.calls - before <= 3


async def test_a_directory_that_hangs_does_not_hold_up_the_looking_after_sockets() -> None:
    """Each socket that expires soon was asked about in turn, a second for each, while others went unwatched."""
    async with ward(settings={"session_idle_timeout": 400}) as beds, await beds.service.bearer("alice") as alice:
        services = beds.service.gb._services
        services.standings.patience = beds.way.timeout = 3_600
        async with beds.service.socket(token_of(alice), subprotocols=["gb.v1"]):
            beds.service.clock.advance(350)  # the roles are old, and the login ends within a minute
            beds.directory.gate = anyio.Event()
            with anyio.fail_after(5):
                await services.sockets.sweep()
