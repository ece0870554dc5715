"""Standing by Zitadel: roles, groups, and whether somebody is active."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from generalbots_api.auth.model import Secret, Standing
from generalbots_api.backends.zitadel.directory import roles_in
from generalbots_api.errors import ApiError, Unauthorized, Unavailable
from tests.backends.zitadel_stub import (
    GET_USER,
    LIST_AUTHORIZATIONS,
    LIST_GROUP_USERS,
    LIST_GROUPS,
    ME,
    OTHER,
    PROJECT,
    Zitadel,
    authorization,
    failed,
    group,
    group_user,
    user,
)

pytestmark = pytest.mark.anyio

ACCESS = Secret("access")
NOTHING = {LIST_AUTHORIZATIONS: {}, LIST_GROUP_USERS: {}}


async def test_roles_are_of_active_authorizations_of_our_project_for_this_user() -> None:
    listed = [
        authorization("admin", "user"),
        authorization("other project", project={"id": "2002"}),
        authorization("no project", project={}),
        authorization("other user", user={"id": OTHER}),
        authorization("inactive", state="STATE_INACTIVE"),
        {**authorization("unspecified"), "state": ""},
        authorization("user", ""),
        {"project": {"id": PROJECT}, "user": {"id": ME}, "state": "STATE_ACTIVE"},
    ]
    zitadel = Zitadel({GET_USER: user(), **NOTHING, LIST_AUTHORIZATIONS: {"authorizations": listed}})
    async with zitadel.directory() as directory:
        assert await directory.standing(ACCESS, ME) == Standing(roles=frozenset({"admin", "user"}))
    assert zitadel.asked(LIST_AUTHORIZATIONS)[0]["filters"] == [
        {"inUserIds": {"ids": [ME]}},
        {"projectId": {"id": PROJECT}},
        {"state": {"state": "STATE_ACTIVE"}},
    ]


async def test_a_user_without_authorizations_has_no_roles() -> None:
    async with Zitadel({GET_USER: user(), **NOTHING}).directory() as directory:
        assert await directory.standing(ACCESS, ME) == Standing()


async def test_groups_are_known_by_id_and_by_name() -> None:
    rows = [group_user("301", ME), group_user("302", ME), group_user("303", OTHER)]
    groups = [group("301", "staff"), group("302", "board"), group("303", "not mine")]
    zitadel = Zitadel({GET_USER: user(), **NOTHING, LIST_GROUP_USERS: {"groupUsers": rows}})
    zitadel.answer(LIST_GROUPS, {"groups": groups})
    async with zitadel.directory() as directory:
        standing = await directory.standing(ACCESS, ME)
    assert standing.groups == {"301", "302", "staff", "board"}
    assert zitadel.asked(LIST_GROUP_USERS)[0]["filters"] == [{"userIds": {"ids": [ME]}}]
    assert zitadel.asked(LIST_GROUPS)[0]["filters"] == [{"groupIds": {"ids": ["301", "302"]}}]


@pytest.mark.parametrize(
    "state", ["USER_STATE_INACTIVE", "USER_STATE_LOCKED", "USER_STATE_DELETED", "USER_STATE_INITIAL", None, 1]
)
async def test_who_is_not_active_has_no_standing(state: object) -> None:
    zitadel = Zitadel({GET_USER: user(state=state)})
    async with zitadel.directory() as directory:
        assert await directory.standing(ACCESS, ME) == Standing(active=False)
    assert len(zitadel.requests) == 1


async def test_who_is_gone_is_not_active() -> None:
    async with Zitadel({GET_USER: failed("not_found", 404)}).directory() as directory:
        assert await directory.standing(ACCESS, ME) == Standing(active=False)


MISSING = [failed("unimplemented", 501), failed(12, 501), failed(5, 404), httpx2.Response(404, text="not found")]


@pytest.mark.parametrize("answer", MISSING, ids=["connect", "gateway", "path by gateway", "path"])
async def test_an_older_instance_has_no_groups_and_tells_roles_in_the_userinfo(answer: httpx2.Response) -> None:
    zitadel = Zitadel({GET_USER: user(), LIST_AUTHORIZATIONS: answer, LIST_GROUP_USERS: answer})
    zitadel.info[f"urn:zitadel:iam:org:project:{PROJECT}:roles"] = {"admin": {"1001": "example.org"}}
    async with zitadel.directory() as directory:
        assert await directory.standing(ACCESS, ME) == Standing(roles=frozenset({"admin"}))


@pytest.mark.parametrize("method", [GET_USER, LIST_AUTHORIZATIONS, LIST_GROUP_USERS])
@pytest.mark.parametrize(
    ("answer", "raised"),
    [(failed("unauthenticated", 401), Unauthorized), (failed("resource_exhausted", 429), Unavailable)],
    ids=["unauthenticated", "quota"],
)
async def test_a_standing_that_cannot_be_had_is_an_error_and_never_a_smaller_one(
    method: str, answer: httpx2.Response, raised: type[ApiError]
) -> None:
    async with Zitadel({GET_USER: user(), **NOTHING, method: answer}).directory() as directory:
        with pytest.raises(raised):
            await directory.standing(ACCESS, ME)


ROLES: list[tuple[dict[str, Any], set[str]]] = [
    ({f"urn:zitadel:iam:org:project:{PROJECT}:roles": {"admin": {"1": "a"}}}, {"admin"}),
    ({f"urn:zitadel:iam:org:project:{PROJECT}:roles": ["admin"]}, {"admin"}),
    ({"urn:zitadel:iam:org:project:roles": {"user": {"1": "a"}}}, {"user"}),
    ({f"urn:zitadel:iam:org:project:{PROJECT}:roles": {}, "urn:zitadel:iam:org:project:roles": ["user"]}, set()),
    ({"urn:zitadel:iam:org:project:2002:roles": ["admin"]}, set()),
    ({}, set()),
]


@pytest.mark.parametrize(("claims", "roles"), ROLES, ids=[str(n) for n in range(len(ROLES))])
def test_roles_of_the_claim_of_our_project_else_of_the_one_that_asks(claims: dict[str, Any], roles: set[str]) -> None:
    assert roles_in(claims, PROJECT) == roles


@pytest.mark.parametrize(
    ("claims", "info", "organization_id"),
    [
        ({"urn:zitadel:iam:user:resourceowner:id": "1001"}, {}, "1001"),
        ({}, {"urn:zitadel:iam:user:resourceowner:id": "1001"}, "1001"),
        ({"urn:zitadel:iam:user:resourceowner:id": ""}, {}, "9"),
        ({"urn:zitadel:iam:user:resourceowner:id": 1001}, {}, "9"),
        ({}, {}, "9"),
    ],
)
async def test_the_organisation_is_the_resource_owner_else_the_configured_one(
    claims: dict[str, Any], info: dict[str, Any], organization_id: str
) -> None:
    zitadel = Zitadel({})
    zitadel.claims, zitadel.info = claims, info
    async with zitadel.directory(organization_id="9") as directory:
        _, identity = await zitadel.log_in(directory)
    assert identity.organization_id == organization_id


async def test_the_scopes_let_the_users_own_token_call_the_services() -> None:
    zitadel = Zitadel({})
    async with zitadel.directory() as directory:
        url = httpx2.URL(await directory.authorization_url(zitadel.pending(), "state"))
    assert url.params["scope"].split() == [
        "openid",
        "profile",
        "email",
        "offline_access",
        "urn:zitadel:iam:org:projects:roles",
        "urn:zitadel:iam:org:project:id:2001:aud",
        "urn:zitadel:iam:org:project:id:zitadel:aud",
        "urn:zitadel:iam:user:resourceowner",
    ]
