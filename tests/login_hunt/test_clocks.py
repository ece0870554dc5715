"""Clocks that jump, and clocks of several nodes that are not quite the same."""

from __future__ import annotations

import pytest

from generalbots_api.storage import Storage
from tests.login_checks.stage import staged
from tests.support.promises import check_error
from tests.support.service import running_service
from tests.support.wire import Wire, hangs_up

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

STATUS = "/api/admin/system/status"
HOUR = 3_600


async def test_a_clock_that_is_set_back_does_not_keep_an_admin_in_office(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        admin = await service.bearer("admin")
        assert (await admin.get(STATUS)).status_code == 200
        service.clock.advance(-HOUR)
        service.dev.set_roles("admin", [])
        service.clock.advance(301)
        check_error(await admin.get(STATUS), 403, "FORBIDDEN")


async def test_a_clock_that_is_set_back_does_not_keep_a_user_in_who_is_locked_out(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        service.clock.advance(-HOUR)
        service.dev.deactivate("alice")
        service.clock.advance(301)
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_a_clock_that_is_set_back_after_a_failure_does_not_put_off_the_next_question(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire) as service:
        alice = await service.bearer("alice")
        service.clock.advance(301)
        wire.answers["/GetUserByID"] = hangs_up
        assert (await alice.get("/api/session")).status_code == 200
        wire.answers.clear()
        service.dev.deactivate("alice")
        service.clock.advance(-HOUR)
        service.clock.advance(301)
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("seconds", [-1, -5, -29])
async def test_a_login_goes_on_at_a_node_whose_clock_is_a_little_behind(seconds: int) -> None:
    async with staged() as stage:
        url = await stage.answer()
        stage.clock.advance(seconds)
        answer = await stage.browser.get(url)
        assert answer.status_code == 303, answer.text
