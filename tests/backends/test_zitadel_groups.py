"""Zitadel's group service: its filters, its pages, and its ways to say no."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from generalbots_api.errors import (
    ApiError,
    BadGateway,
    Conflict,
    Forbidden,
    InvalidRequest,
    Unauthorized,
    Unavailable,
)
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, NewGroup
from generalbots_api.ids import GroupId
from tests.backends.zitadel_stub import (
    ADD_USERS,
    CREATE_GROUP,
    LIST_GROUP_USERS,
    LIST_GROUPS,
    ME,
    ORGANIZATION,
    OTHER,
    REMOVE_USERS,
    STAFF,
    Zitadel,
    failed,
    group,
    group_user,
    ok,
)

pytestmark = pytest.mark.anyio

MADE = {"id": "302", "creationDate": "2026-01-20T12:00:00.5Z"}
MISSING = [failed("unimplemented", 501), failed(12, 501), failed(5, 404), httpx2.Response(404, text="not found")]
MISSING_IDS = ["connect", "gateway", "path by gateway", "path"]


def shown(id: str, name: str, member_count: int) -> Group:
    created_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Group(id=GroupId(id), name=name, description="", member_count=member_count, created_at=created_at)


async def test_a_new_group_is_told_as_it_was_written_and_never_read_back() -> None:
    zitadel = Zitadel({CREATE_GROUP: httpx2.Response(201, json=MADE)})
    async with zitadel.directory() as directory:
        made = await directory.create_group("access", ORGANIZATION, NewGroup(name="Board", description="The board"))
    assert made == Group(
        id=GroupId("302"),
        name="Board",
        description="The board",
        member_count=0,
        created_at=datetime(2026, 1, 20, 12, 0, 0, 500_000, UTC),
    )
    assert zitadel.asked(CREATE_GROUP) == [
        {"organizationId": ORGANIZATION, "name": "Board", "description": "The board"}
    ]
    assert len(zitadel.requests) == 1


async def test_a_group_is_made_in_the_callers_organisation_else_in_the_configured_one() -> None:
    zitadel = Zitadel({CREATE_GROUP: MADE})
    async with zitadel.directory(organization_id="9") as directory:
        await directory.create_group("access", ORGANIZATION, NewGroup(name="Board"))
        await directory.create_group("access", None, NewGroup(name="Board"))
    assert zitadel.asked(CREATE_GROUP) == [
        {"organizationId": ORGANIZATION, "name": "Board"},
        {"organizationId": "9", "name": "Board"},
    ]
    async with zitadel.directory() as directory:
        with pytest.raises(Unavailable, match="organisation"):
            await directory.create_group("access", None, NewGroup(name="Board"))


CREATE_ERRORS: list[tuple[httpx2.Response | Exception, type[ApiError]]] = [
    (failed("already_exists", 409), Conflict),
    (failed(6, 409), Conflict),
    (failed("not_found", 404), Forbidden),
    (failed("permission_denied", 403), Forbidden),
    (failed("invalid_argument", 400), InvalidRequest),
    (failed("unauthenticated", 401), Unauthorized),
    (failed("internal", 500), Unavailable),
    (httpx2.ReadTimeout("slow"), Unavailable),
    (ok({}), BadGateway),
]


@pytest.mark.parametrize(("answer", "raised"), CREATE_ERRORS, ids=[str(n) for n in range(len(CREATE_ERRORS))])
async def test_a_group_that_was_not_made_is_an_error_and_is_not_tried_again(
    answer: httpx2.Response | Exception, raised: type[ApiError]
) -> None:
    zitadel = Zitadel({CREATE_GROUP: answer, LIST_GROUPS: {}})
    async with zitadel.directory() as directory:
        with pytest.raises(raised):
            await directory.create_group("access", ORGANIZATION, NewGroup(name="Board"))
    assert len(zitadel.asked(CREATE_GROUP)) == 1


@pytest.mark.parametrize("answer", MISSING, ids=MISSING_IDS)
async def test_an_instance_without_groups_is_a_clear_503_for_every_call(answer: httpx2.Response) -> None:
    methods = (CREATE_GROUP, LIST_GROUPS, LIST_GROUP_USERS, ADD_USERS, REMOVE_USERS)
    async with Zitadel(dict.fromkeys(methods, answer)).directory() as directory:
        for call in (
            directory.create_group("access", ORGANIZATION, NewGroup(name="Board")),
            directory.groups("access", GroupQuery(member=None)),
            directory.groups("access", GroupQuery(member=ME)),
            directory.group_members("access", STAFF, 10, 0),
            directory.is_member("access", STAFF, ME),
            directory.change_members("access", STAFF, [ME], True),
            directory.change_members("access", STAFF, [ME], False),
        ):
            with pytest.raises(Unavailable, match="no GroupService"):
                await call


async def test_all_groups_are_listed_by_name_with_counts_by_one_more_call() -> None:
    rows = [group_user("301", ME), group_user("301", OTHER), group_user("303", ME)]
    zitadel = Zitadel(
        {
            LIST_GROUPS: {
                "groups": [group("301", "board"), group("302", "empty")],
                "pagination": {"totalResult": "12"},
            },
            LIST_GROUP_USERS: {"groupUsers": rows, "pagination": {"totalResult": "3"}},
        }
    )
    async with zitadel.directory() as directory:
        page = await directory.groups("access", GroupQuery(member=None, search="BoA", limit=2, offset=10))
    assert page == GroupPage(groups=[shown("301", "board", 2), shown("302", "empty", 0)], total=12)
    assert zitadel.asked(LIST_GROUPS) == [
        {
            "filters": [{"nameFilter": {"name": "BoA", "method": "TEXT_FILTER_METHOD_CONTAINS_IGNORE_CASE"}}],
            "pagination": {"offset": "10", "limit": 2, "asc": True},
            "sortingColumn": "FIELD_NAME_NAME",
        }
    ]
    assert [one["filters"] for one in zitadel.asked(LIST_GROUP_USERS)] == [[{"groupIds": {"ids": ["301", "302"]}}]]


async def test_no_groups_are_an_empty_page_without_another_call() -> None:
    zitadel = Zitadel({LIST_GROUPS: {}})
    async with zitadel.directory() as directory:
        assert await directory.groups("access", GroupQuery(member=None)) == GroupPage(groups=[], total=0)
        assert zitadel.asked(LIST_GROUPS)[0]["filters"] == []
        too_long = await directory.groups("access", GroupQuery(member=None, search="x" * 201))
    assert too_long == GroupPage(groups=[], total=0)
    assert len(zitadel.requests) == 1


async def test_ones_own_groups_are_searched_sorted_and_cut_here() -> None:
    rows = [group_user(id, ME) for id in ("301", "302", "303")]
    groups = [group("301", "stage"), group("302", "Staff"), group("303", "board")]
    zitadel = Zitadel({LIST_GROUP_USERS: {"groupUsers": rows}, LIST_GROUPS: {"groups": groups}})
    async with zitadel.directory() as directory:
        page = await directory.groups("access", GroupQuery(member=ME, search="sta", limit=1, offset=1))
        assert page == GroupPage(groups=[shown("301", "stage", 1)], total=2)
        everything = await directory.groups("access", GroupQuery(member=ME))
    assert [one.name for one in everything.groups] == ["board", "Staff", "stage"]


def paged_rows(total: int, *, most: int, tells_total: bool) -> Any:
    """ListGroupUsers of a group of `total`, which gives at most `most` at a time."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(request.content)["pagination"]
        offset = int(asked["offset"])
        end = min(offset + min(asked["limit"], most), total)
        rows = [group_user(STAFF, str(n)) for n in range(offset, end)]
        return ok({"groupUsers": rows, **({"pagination": {"totalResult": str(total)}} if tells_total else {})})

    return answer


@pytest.mark.parametrize(
    ("total", "most", "tells_total", "calls"),
    [(250, 100, True, 3), (200, 100, True, 2), (200, 100, False, 3), (99, 100, False, 1), (90, 30, True, 3)],
)
async def test_counts_go_through_all_pages_also_of_an_instance_that_gives_fewer_at_a_time(
    total: int, most: int, tells_total: bool, calls: int
) -> None:
    zitadel = Zitadel({LIST_GROUPS: {"groups": [group(STAFF, "staff")]}})
    zitadel.answer(LIST_GROUP_USERS, paged_rows(total, most=most, tells_total=tells_total))
    async with zitadel.directory() as directory:
        page = await directory.groups("access", GroupQuery(member=None))
    assert page.groups[0].member_count == total
    assert len(zitadel.asked(LIST_GROUP_USERS)) == calls


async def test_lists_without_an_end_are_cut() -> None:
    zitadel = Zitadel({LIST_GROUPS: {"groups": [group(STAFF, "staff")]}})
    zitadel.answer(LIST_GROUP_USERS, paged_rows(10**9, most=100, tells_total=True))
    async with zitadel.directory() as directory:
        page = await directory.groups("access", GroupQuery(member=None))
    assert page.groups[0].member_count == 5_000
    assert len(zitadel.asked(LIST_GROUP_USERS)) == 50


@pytest.mark.parametrize("bad", ["x", {"301": {}}, [5], [None]])
async def test_a_list_that_makes_no_sense_is_an_error(bad: object) -> None:
    async with Zitadel({LIST_GROUPS: {"groups": bad}}).directory() as directory:
        with pytest.raises(BadGateway):
            await directory.groups("access", GroupQuery(member=None))


@pytest.mark.parametrize(
    ("told", "total"),
    [("12", 12), (12, 12), (None, 0), ("", 0), ("-1", 0), (-1, 0), (True, 0), ("9" * 5_000, 0), ("1e3", 0)],
)
async def test_a_total_is_read_as_a_number_or_as_the_text_of_one(told: object, total: int) -> None:
    async with Zitadel({LIST_GROUPS: {"pagination": {"totalResult": told}}}).directory() as directory:
        assert (await directory.groups("access", GroupQuery(member=None))).total == total


@pytest.mark.parametrize("told", [None, "", "yesterday", 5, "2026-01-02T03:04:05", "9999-12-31T23:59:59-01:00"])
async def test_a_time_that_cannot_be_read_is_not_known(told: object) -> None:
    zitadel = Zitadel({CREATE_GROUP: {"id": "302", "creationDate": told}})
    async with zitadel.directory() as directory:
        assert (await directory.create_group("access", ORGANIZATION, NewGroup(name="x"))).created_at is None
