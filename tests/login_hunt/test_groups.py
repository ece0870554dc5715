"""Who sees groups as an admin: by roles that are as fresh as for any admin call."""

from __future__ import annotations

import pytest

from generalbots_api.storage import Storage
from tests.support.promises import check_error
from tests.support.service import running_service
from tests.support.wire import Wire, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

STAFF = "300000000000000001"
LIST = "/api/groups/list"
MEMBERS = f"/api/groups/{STAFF}/members"
ALL = {"groups": [{"id": STAFF, "name": "staff", "organizationId": "1"}], "pagination": {"totalResult": "1"}}


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
