"""Groups through the production client against the development directory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from generalbots_api.errors import Conflict, Forbidden, NotFound
from generalbots_api.groups.model import GroupQuery, NewGroup
from generalbots_api.ids import GroupId
from tests.backends.zitadel_dev_service import Service

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with service.client:
        yield service


async def test_a_group_is_made_filled_searched_and_emptied(service: Service) -> None:
    admin, bob = await service.token("admin"), service.id("bob")
    client, organization = service.client, "100000000000000001"
    made = await client.create_group(admin, organization, NewGroup(name="Board", description="The board"))
    await client.change_members(admin, made.id, [bob], True)
    service.clock.advance(1)
    await client.change_members(admin, made.id, [bob, service.id("alice")], True)
    page = await client.groups(admin, GroupQuery(member=None))
    assert [(one.name, one.member_count) for one in page.groups] == [("Board", 2), ("staff", 1)]
    assert page.total == 2
    found = await client.groups(admin, GroupQuery(member=None, search="BOA"))
    own = await client.groups(await service.token("bob"), GroupQuery(member=bob))
    assert [one.name for one in found.groups] == [one.name for one in own.groups] == ["Board"]
    members = await client.group_members(admin, made.id, 1, 1)
    assert members is not None
    assert [(one.username, one.email) for one in members.members] == [("alice", "alice@generalbots.example")]
    assert members.total == 2
    await client.change_members(admin, made.id, [bob], False)
    assert not await client.is_member(admin, made.id, bob)
    with pytest.raises(Conflict):
        await client.create_group(admin, organization, NewGroup(name="bOARD"))


async def test_who_may_not_write_groups_is_told_so(service: Service) -> None:
    token, client = await service.token("alice"), service.client
    staff = (await client.groups(token, GroupQuery(member=service.id("alice")))).groups[0].id
    with pytest.raises(Forbidden):
        await client.create_group(token, "100000000000000001", NewGroup(name="Mine"))
    with pytest.raises(Forbidden):
        await client.change_members(token, staff, [service.id("bob")], True)


async def test_an_unknown_group_is_not_found(service: Service) -> None:
    token, unknown = await service.token("admin"), GroupId("999")
    assert await service.client.group_members(token, unknown, 10, 0) is None
    assert not await service.client.is_member(token, unknown, service.id("alice"))
    with pytest.raises(NotFound):
        await service.client.change_members(token, unknown, [service.id("alice")], True)
