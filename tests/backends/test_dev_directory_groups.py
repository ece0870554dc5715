"""The development directory: Zitadel's group service, and its quirks."""

from __future__ import annotations

import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import Ask, Json, failure

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio

GROUPS = "zitadel.group.v2.GroupService"
NOON = "2026-01-20T12:00:00Z"
ORGANIZATION = "100000000000000001"


async def staff(ask: Ask) -> str:
    filters = [{"nameFilter": {"name": "staff"}}]
    groups = (await ask("admin", f"{GROUPS}/ListGroups", {"filters": filters})).json()["groups"]
    return str(groups[0]["id"])


async def created(ask: Ask, name: str, description: str = "") -> str:
    body = {"organizationId": ORGANIZATION, "name": name, "description": description}
    answer = await ask("admin", f"{GROUPS}/CreateGroup", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def members(ask: Ask, group_id: str, username: str = "admin") -> list[str]:
    body = {"filters": [{"groupIds": {"ids": [group_id]}}], "pagination": {"asc": True}}
    answer = (await ask(username, f"{GROUPS}/ListGroupUsers", body)).json()
    return [row["user"]["preferredLoginName"] for row in answer.get("groupUsers", [])]


async def test_a_group_is_created_by_an_admin(ask: Ask) -> None:
    answer = await ask("admin", f"{GROUPS}/CreateGroup", {"organizationId": ORGANIZATION, "name": "0"})
    assert set(answer.json()) == {"id", "creationDate"}
    assert answer.json()["creationDate"] == NOON
    groups = (await ask("admin", f"{GROUPS}/ListGroups", {"sortingColumn": "FIELD_NAME_NAME"})).json()
    assert groups["pagination"] == {"totalResult": "2", "appliedLimit": "100"}
    assert groups["groups"][1] == {  # no description: it is left out; the name that looks like a zero is not
        "id": answer.json()["id"],
        "name": "0",
        "organizationId": ORGANIZATION,
        "creationDate": NOON,
        "changeDate": NOON,
    }


@pytest.mark.parametrize(
    ("who", "changes", "expected"),
    [
        ("alice", {}, (404, "not_found")),
        ("bob", {"name": "staff"}, (404, "not_found")),
        ("admin", {"organizationId": "1"}, (404, "not_found")),
        ("admin", {"name": "STAFF"}, (409, "already_exists")),
        ("admin", {"name": ""}, (400, "invalid_argument")),
        ("admin", {"name": "  "}, (400, "invalid_argument")),
        ("admin", {"name": "x" * 201}, (400, "invalid_argument")),
        ("admin", {"description": "x" * 201}, (400, "invalid_argument")),
        ("admin", {"organizationId": ""}, (400, "invalid_argument")),
    ],
)
async def test_a_group_that_may_not_be_is_not_created(
    ask: Ask, who: str, changes: Json, expected: tuple[int, str]
) -> None:
    body = {"organizationId": ORGANIZATION, "name": "Sales", **changes}
    assert failure(await ask(who, f"{GROUPS}/CreateGroup", body)) == expected
    assert len((await ask("admin", f"{GROUPS}/ListGroups")).json()["groups"]) == 1


async def test_members_see_their_groups_and_others_an_empty_list(ask: Ask) -> None:
    await created(ask, "Sales")
    names = [
        [one["name"] for one in (await ask(who, f"{GROUPS}/ListGroups")).json().get("groups", [])]
        for who in ("alice", "bob", "admin")
    ]
    assert [sorted(one) for one in names] == [["staff"], [], ["Sales", "staff"]]
    assert (await ask("bob", f"{GROUPS}/ListGroups")).json() == {"pagination": {"appliedLimit": "100"}}
    assert await members(ask, await staff(ask), "alice") == ["alice"]
    assert await members(ask, await staff(ask), "bob") == []


@pytest.mark.parametrize(
    ("method", "name", "found"),
    [
        ("EQUALS", "staff", True),
        ("EQUALS", "Staff", False),
        ("EQUALS_IGNORE_CASE", "Staff", True),
        ("STARTS_WITH", "sta", True),
        ("STARTS_WITH", "taf", False),
        ("CONTAINS", "taf", True),
        ("CONTAINS_IGNORE_CASE", "TAF", True),
        ("ENDS_WITH_IGNORE_CASE", "AFF", True),
        ("ENDS_WITH", "sta", False),
    ],
)
async def test_groups_are_found_by_name(ask: Ask, method: str, name: str, found: bool) -> None:
    filters = [{"nameFilter": {"name": name, "method": f"TEXT_FILTER_METHOD_{method}"}}]
    assert ("groups" in (await ask("admin", f"{GROUPS}/ListGroups", {"filters": filters})).json()) is found


async def test_lists_come_in_pages(ask: Ask) -> None:
    for number in range(3):
        await created(ask, f"g{number}")
    pages = []
    for offset in ("0", 2):  # 64 bits: a string or a number
        body = {"sortingColumn": "FIELD_NAME_NAME", "pagination": {"offset": offset, "limit": 2, "asc": True}}
        answer = (await ask("admin", f"{GROUPS}/ListGroups", body)).json()
        assert answer["pagination"] == {"totalResult": "4", "appliedLimit": "2"}
        pages.append([one["name"] for one in answer["groups"]])
    assert pages == [["g0", "g1"], ["g2", "staff"]]


@pytest.mark.parametrize("pagination", [{"offset": -1}, {"offset": "x"}, {"limit": 1_001}, {"limit": "1" * 30}])
async def test_bounds_that_make_no_sense_are_an_invalid_argument(ask: Ask, pagination: Json) -> None:
    answer = await ask("bob", f"{GROUPS}/ListGroups", {"pagination": pagination})
    assert failure(answer) == (400, "invalid_argument")


async def test_members_come_and_go_and_the_same_again_changes_nothing(
    ask: Ask, dev: DevDirectory, clock: ManualClock
) -> None:
    group, bob = await staff(ask), dev.user_id("bob")
    answers = []
    for method in ("AddUsersToGroup", "AddUsersToGroup", "RemoveUsersFromGroup", "RemoveUsersFromGroup"):
        clock.advance(1)
        answer = await ask("admin", f"{GROUPS}/{method}", {"id": group, "userIds": [bob]})
        answers.append((answer.json()["changeDate"][-3:], sorted(await members(ask, group))))
    both = ["alice", "bob"]
    assert answers == [("01Z", both), ("01Z", both), ("03Z", ["alice"]), ("03Z", ["alice"])]


async def test_members_are_found_by_user_and_told_since_when(ask: Ask, dev: DevDirectory, clock: ManualClock) -> None:
    clock.advance(60)
    group = await created(ask, "Sales")
    await ask("admin", f"{GROUPS}/AddUsersToGroup", {"id": group, "userIds": [dev.user_id("alice")]})
    body = {"filters": [{"userIds": {"ids": [dev.user_id("alice")]}}]}
    answer = (await ask("alice", f"{GROUPS}/ListGroupUsers", body)).json()
    assert answer["pagination"]["totalResult"] == "2"
    assert answer["groupUsers"][0] == {
        "groupId": group,
        "organizationId": ORGANIZATION,
        "user": {
            "id": dev.user_id("alice"),
            "preferredLoginName": "alice",
            "displayName": "Alice Liddell",
            "organizationId": ORGANIZATION,
        },
        "creationDate": "2026-01-20T12:01:00Z",
    }


@pytest.mark.parametrize("method", ["AddUsersToGroup", "RemoveUsersFromGroup"])
async def test_membership_calls_fail_as_zitadel_s_do(ask: Ask, dev: DevDirectory, method: str) -> None:
    group, bob = await staff(ask), dev.user_id("bob")

    async def tried(who: str, **body: object) -> tuple[int, str]:
        return failure(await ask(who, f"{GROUPS}/{method}", body))

    assert await tried("admin", id="1", userIds=[bob]) == (400, "failed_precondition")
    assert await tried("alice", id=group, userIds=[bob]) == (404, "not_found")
    assert await tried("alice", id="1", userIds=[bob]) == (404, "not_found")
    assert await tried("admin", id=group, userIds=[]) == (400, "invalid_argument")
    assert await tried("admin", userIds=[bob]) == (400, "invalid_argument")
    assert await members(ask, group) == ["alice"]


async def test_an_unknown_user_cannot_be_added(ask: Ask, dev: DevDirectory) -> None:
    group = await staff(ask)
    body = {"id": group, "userIds": [dev.user_id("bob"), "1"]}
    assert failure(await ask("admin", f"{GROUPS}/AddUsersToGroup", body)) == (400, "failed_precondition")
    assert await members(ask, group) == ["alice"]
