"""Reads of Zitadel lag behind writes: they must neither undo what was written nor deny it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from generalbots_api.groups.model import GroupQuery, MemberPage, NewGroup
from generalbots_api.users.model import Profile, ProfileChange
from tests.backends.zitadel_dev_service import Service

pytestmark = pytest.mark.anyio

ORGANIZATION = "100000000000000001"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with service.client:
        yield service


async def settled(service: Service) -> None:
    """Reads have caught up, and are believed again."""
    service.dev.set_lagging(False)
    service.clock.advance(10)


def shown(profile: Profile) -> tuple[str, str, str, bool]:
    return profile.first_name, profile.last_name, profile.email, profile.email_verified


async def test_two_changes_in_a_row_do_not_undo_each_other_and_both_are_told(service: Service) -> None:
    token, me, client = await service.token("alice"), service.id("alice"), service.client
    service.dev.set_lagging(True)
    await client.change_profile(token, me, ProfileChange(first_name="Alicia", email="new@generalbots.example"))
    changed = await client.change_profile(token, me, ProfileChange(last_name="King"))
    told = ("Alicia", "King", "new@generalbots.example", False)
    assert shown(changed) == shown(await client.profile(token, me)) == told
    await settled(service)
    assert shown(await client.profile(token, me)) == told


async def test_what_others_write_is_believed_after_a_while(service: Service) -> None:
    token, me = await service.token("alice"), service.id("alice")
    await service.client.change_profile(token, me, ProfileChange(first_name="Alicia"))
    service.dev._state.people.named("alice").first_name = "Written elsewhere"
    assert (await service.client.profile(token, me)).first_name == "Alicia"
    service.clock.advance(10)
    assert (await service.client.profile(token, me)).first_name == "Written elsewhere"


async def test_a_change_that_was_refused_is_not_told(service: Service) -> None:
    token, me = await service.token("alice"), service.id("alice")
    service.dev.set_down(True)
    with pytest.raises(Exception, match="Directory Service"):
        await service.client.change_profile(token, me, ProfileChange(first_name="Alicia"))
    service.dev.set_down(False)
    assert (await service.client.profile(token, me)).first_name == "Alice"


async def test_members_that_come_and_go_are_in_or_out_at_once(service: Service) -> None:
    admin, bob, client = await service.token("admin"), service.id("bob"), service.client
    staff = (await client.groups(admin, GroupQuery(member=None))).groups[0].id
    service.dev.set_lagging(True)
    for add in (True, False, True, False):
        await client.change_members(admin, staff, [bob], add)
        assert await client.is_member(admin, staff, bob) is add
    await settled(service)
    assert not await client.is_member(admin, staff, bob)


async def test_a_new_group_is_there_before_it_is_listed(service: Service) -> None:
    admin, alice, client = await service.token("admin"), service.id("alice"), service.client
    service.dev.set_lagging(True)
    made = await client.create_group(admin, ORGANIZATION, NewGroup(name="Board", description="The board"))
    members = await client.group_members(admin, made.id, 10, 0)
    assert members == MemberPage(members=[], total=0, group_name="Board")
    await client.change_members(admin, made.id, [alice], True)
    await settled(service)
    members = await client.group_members(admin, made.id, 10, 0)
    assert members is not None
    assert [one.username for one in members.members] == ["alice"]
