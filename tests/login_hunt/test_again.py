"""Logging out and in again: at the same time, with a storage that fails, after a permission was lost."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import at_once
from tests.login_hunt.test_trouble import Failing
from tests.support.service import running_service
from tests.test_login_freshness import LaggingWire, bots, change, usable

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def test_of_many_logouts_at_once_one_is_done_and_the_others_are_401(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        answers = await at_once(*[partial(alice.post, "/auth/logout")] * 20)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 19}


async def test_a_session_that_is_replaced_ends_only_when_its_tokens_will_be_taken_back() -> None:
    storage = MemoryStorage()
    storage.revocations = failing = Failing(storage.revocations)  # type: ignore[assignment]
    async with running_service(storage=storage) as service:
        browser = await service.log_in("alice")
        session = (await browser.get("/api/session")).json()["session_id"]
        failing.failures["put"] = 1
        url = (await browser.get((await browser.get("/auth/login")).headers["location"])).headers["location"]
        assert (await browser.get(url)).status_code == 503
        assert (await browser.get("/api/session")).json()["session_id"] == session


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
