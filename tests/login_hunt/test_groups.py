"""Groups: who sees all of them, and changes of them at the same time."""

from __future__ import annotations

from functools import partial

import pytest

from generalbots_api.ids import UserId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import at_once
from tests.support.nodes import nodes
from tests.support.promises import check_error
from tests.support.service import running_service
from tests.support.wire import Wire, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

STAFF = "300000000000000001"
LIST = "/api/groups/list"
MEMBERS = f"/api/groups/{STAFF}/members"


async def test_a_role_that_is_taken_away_ends_the_sight_of_all_groups_within_a_minute(storage: Storage) -> None:
    """Also where the Directory itself would show them: what an admin may see here is by our roles."""
    wire = Wire()
    async with running_service(storage=storage, wire=wire) as service:
        admin = await service.bearer("admin")
        assert (await admin.get(LIST)).json()["total"] == 1
        assert (await admin.get(MEMBERS)).status_code == 200
        # the role is gone, but not the permission to read at the Directory
        wire.answers["/ListAuthorizations"] = status(200, authorizations=[])
        service.clock.advance(61)
        assert (await admin.get(LIST)).json()["total"] == 0
        check_error(await admin.get(MEMBERS), 404, "NOT_FOUND")


async def test_of_many_changes_of_groups_at_once_none_is_lost(storage: Storage) -> None:
    async with nodes(storage, 2) as all:
        await all.services[0].token("bob")
        bob = UserId(all.services[0].dev.user_id("bob"))
        news = [service.gb._services.newsroom for service in all.services] * 10
        groups = [f"g{number}" for number in range(20)]
        await at_once(
            *(partial(one.groups_changed, [bob], {group}, True) for one, group in zip(news, groups, strict=True))
        )
        (login,) = await storage.logins.of_user(bob)
        assert login.standing.groups >= set(groups)
        await at_once(
            *(partial(one.groups_changed, [bob], {group}, False) for one, group in zip(news, groups, strict=True))
        )
        (login,) = await storage.logins.of_user(bob)
        assert not login.standing.groups & set(groups)
