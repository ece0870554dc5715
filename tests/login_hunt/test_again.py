"""Logging out and in again: at the same time, with a storage that fails, after a permission was lost."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.ids import UserId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import at_once
from tests.login_hunt.test_trouble import Failing
from tests.support.service import running_service, session_token
from tests.test_login_freshness import LaggingWire, bots, change, usable

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def test_of_many_logouts_at_once_one_is_done_and_the_others_are_401(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        answers = await at_once(*[partial(alice.post, "/auth/logout")] * 20)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 19}


async def test_a_session_ends_and_a_login_begins_also_when_the_revocation_cannot_be_written_down() -> None:
    """Its queue may be full, when the Directory has been down for long."""
    storage = MemoryStorage()
    storage.revocations = failing = Failing(storage.revocations)  # type: ignore[assignment]
    async with running_service(storage=storage) as service:
        browser = await service.log_in("alice")
        old, alice = session_token(browser), UserId(service.dev.user_id("alice"))
        failing.failures["put"] = 9
        await service.log_in("alice", browser)
        assert session_token(browser) != old
        assert len(await storage.logins.of_user(alice)) == 1
        headers = {"Authorization": f"Bearer {session_token(browser)}"}
        assert (await service.client(headers=headers).post("/auth/logout")).json()["directory_revoked"] is True
        assert await storage.logins.of_user(alice) == []


@pytest.mark.parametrize("is_out", [True, False], ids=["logged out first", "beside the old login"])
async def test_a_new_login_does_not_give_back_what_a_directory_that_lags_still_shows(
    storage: Storage, *, is_out: bool
) -> None:
    wire = LaggingWire()
    async with running_service(storage=storage, wire=wire, bots=bots()) as service:
        alice, admin = await service.bearer("alice"), await service.bearer("admin")
        assert await usable(alice) == {"by-name", "by-id"}
        wire.is_late = True
        await change(admin, service, "remove", "alice")
        assert await usable(alice) == set()
        if is_out:
            await alice.post("/auth/logout")
        again = await service.bearer("alice")
        assert await usable(again) == set()
