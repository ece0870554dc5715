"""Members of Zitadel's groups: listed with addresses, asked for, changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx2
import pytest

from generalbots_api.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)
from generalbots_api.groups.model import Member
from generalbots_api.ids import GroupId
from tests.backends.zitadel_stub import (
    ADD_USERS,
    GET_USER,
    LIST_GROUP_USERS,
    LIST_GROUPS,
    ME,
    OTHER,
    REMOVE_USERS,
    STAFF,
    Zitadel,
    failed,
    group,
    group_user,
    ok,
    user,
)

pytestmark = pytest.mark.anyio


async def test_members_are_listed_with_the_addresses_that_the_caller_may_see() -> None:
    def look_up(request: httpx2.Request) -> httpx2.Response:
        id = json.loads(request.content)["userId"]
        return ok(user(id)) if id == ME else failed("not_found", 404)

    rows = [group_user(STAFF, ME), group_user(STAFF, OTHER), group_user("302", "44")]
    zitadel = Zitadel({LIST_GROUPS: {"groups": [group(STAFF, "staff")]}, GET_USER: look_up})
    zitadel.answer(LIST_GROUP_USERS, {"groupUsers": rows, "pagination": {"totalResult": "7"}})
    async with zitadel.directory() as directory:
        page = await directory.group_members("access", STAFF, 2, 5)
    joined_at = datetime(2026, 1, 3, 1, 4, 5, tzinfo=UTC)
    assert page is not None
    assert page.total == 7
    assert page.members == [
        Member(user_id=ME, username="user 42", email="42@example.org", joined_at=joined_at),
        Member(user_id=OTHER, username="user 43", email=None, joined_at=joined_at),
    ]
    assert zitadel.asked(LIST_GROUP_USERS) == [
        {
            "filters": [{"groupIds": {"ids": [STAFF]}}],
            "pagination": {"offset": "5", "limit": 2, "asc": True},
        }
    ]


async def test_addresses_are_looked_up_eight_at_a_time() -> None:
    now, most = 0, 0

    async def look_up(request: httpx2.Request) -> httpx2.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.wait_all_tasks_blocked()
        now -= 1
        return ok(user(json.loads(request.content)["userId"]))

    zitadel = Zitadel({LIST_GROUPS: {"groups": [group(STAFF, "staff")]}, GET_USER: look_up})
    zitadel.answer(LIST_GROUP_USERS, {"groupUsers": [group_user(STAFF, str(n)) for n in range(12)]})
    async with zitadel.directory() as directory:
        page = await directory.group_members("access", STAFF, 100, 0)
    assert page is not None
    assert [one.email for one in page.members] == [f"{n}@example.org" for n in range(12)]
    assert most == 8


@pytest.mark.parametrize("groups", [[], [group("302", "another")]])
async def test_the_members_of_an_unknown_group_are_none(groups: list[dict[str, Any]]) -> None:
    zitadel = Zitadel({LIST_GROUPS: {"groups": groups}})
    async with zitadel.directory() as directory:
        assert await directory.group_members("access", STAFF, 10, 0) is None
        assert await directory.group_members("access", GroupId("x" * 201), 10, 0) is None
    assert len(zitadel.requests) == 1


async def test_a_member_is_one_of_this_group_and_no_other() -> None:
    rows = [group_user("302", ME), group_user(STAFF, OTHER)]
    zitadel = Zitadel({LIST_GROUP_USERS: {"groupUsers": rows}})
    async with zitadel.directory() as directory:
        assert not await directory.is_member("access", STAFF, ME)
        assert await directory.is_member("access", STAFF, OTHER)
        assert not await directory.is_member("access", GroupId("x" * 201), OTHER)
    assert zitadel.asked(LIST_GROUP_USERS)[0]["filters"] == [
        {"groupIds": {"ids": [STAFF]}},
        {"userIds": {"ids": [ME]}},
    ]


@pytest.mark.parametrize(("add", "method"), [(True, ADD_USERS), (False, REMOVE_USERS)])
async def test_members_change_in_one_step(add: bool, method: str) -> None:
    zitadel = Zitadel({method: {"changeDate": "2026-01-20T12:00:00Z"}})
    async with zitadel.directory() as directory:
        await directory.change_members("access", STAFF, [ME, OTHER], add)
    assert zitadel.asked(method) == [{"id": STAFF, "userIds": [ME, OTHER]}]
    assert len(zitadel.requests) == 1


CHANGE_ERRORS: list[tuple[httpx2.Response, type[ApiError]]] = [
    (failed("failed_precondition", 400), NotFound),
    (failed(9, 400), NotFound),
    (failed("not_found", 404), Forbidden),
    (failed("permission_denied", 403), Forbidden),
    (failed("invalid_argument", 400), InvalidRequest),
    (failed("aborted", 409), Conflict),
    (failed("unauthenticated", 401), Unauthorized),
    (failed("resource_exhausted", 429), Unavailable),
]


@pytest.mark.parametrize(("answer", "raised"), CHANGE_ERRORS, ids=[str(n) for n in range(len(CHANGE_ERRORS))])
@pytest.mark.parametrize("add", [True, False])
async def test_a_change_of_members_that_was_refused_is_an_error(
    add: bool, answer: httpx2.Response, raised: type[ApiError]
) -> None:
    method = ADD_USERS if add else REMOVE_USERS
    async with Zitadel({method: answer, LIST_GROUPS: {}}).directory() as directory:
        with pytest.raises(raised):
            await directory.change_members("access", STAFF, [ME], add)
