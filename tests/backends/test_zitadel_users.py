"""Zitadel's user and authorization services: profile, roles, and whether somebody is active."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from generalbots_api.auth.model import Secret, Standing
from generalbots_api.backends.zitadel.directory import roles_in
from generalbots_api.directory import Directory
from generalbots_api.errors import ApiError, Conflict, Forbidden, InvalidRequest, Unauthorized, Unavailable
from generalbots_api.users.model import Profile, ProfileChange
from tests.backends.zitadel_stub import (
    GET_USER,
    LIST_AUTHORIZATIONS,
    LIST_GROUP_USERS,
    LIST_GROUPS,
    ME,
    OTHER,
    PROJECT,
    UPDATE_USER,
    Zitadel,
    authorization,
    failed,
    group,
    group_user,
    user,
)

pytestmark = pytest.mark.anyio

ACCESS = Secret("access")
ADA = Profile(
    user_id=ME,
    username="ada",
    email="42@example.org",
    email_verified=True,
    first_name="Ada",
    last_name="Lovelace",
    display_name="Countess",
    created_at=datetime(2025, 3, 4, 5, 6, 7, 123457, UTC),
)
NOTHING = {LIST_AUTHORIZATIONS: {}, LIST_GROUP_USERS: {}}


def test_it_is_a_directory() -> None:
    directory: Directory = Zitadel({}).directory(for_development=True)
    assert directory.is_for_development


async def test_a_profile_is_read_as_the_user() -> None:
    zitadel = Zitadel({GET_USER: user()})
    async with zitadel.directory() as directory:
        assert await directory.profile("access", ME) == ADA
    request = zitadel.requests[-1]
    assert (request.method, request.headers["authorization"]) == ("POST", "Bearer access")
    assert request.headers["content-type"] == "application/json"
    assert zitadel.asked(GET_USER) == [{"userId": ME}]


async def test_what_a_profile_leaves_out_is_empty() -> None:
    for human in (None, {}, {"email": {"email": "x@example.org"}}, {"profile": None, "email": []}):
        zitadel = Zitadel({GET_USER: user(human=human, details=None, username=None)})
        async with zitadel.directory() as directory:
            profile = await directory.profile("access", ME)
        assert profile.username == "ada@example.org"
        assert (profile.first_name, profile.email_verified, profile.created_at) == ("", False, None)


async def test_only_what_changes_is_written_and_what_was_written_is_told() -> None:
    zitadel = Zitadel({GET_USER: user(), UPDATE_USER: {"changeDate": "2026-01-20T12:00:00Z"}})
    change = ProfileChange(email="countess@example.org")
    async with zitadel.directory() as directory:
        profile = await directory.change_profile("access", ME, change)
    human = {"email": {"email": "countess@example.org", "sendCode": {}}}
    assert zitadel.asked(UPDATE_USER) == [{"userId": ME, "human": human}]
    assert (profile.email, profile.email_verified, profile.first_name) == ("countess@example.org", False, "Ada")
    assert [one.url.path.rpartition("/")[2] for one in zitadel.requests] == ["GetUserByID", "UpdateUser"]


async def test_both_names_go_together_and_the_display_name_does_not_follow() -> None:
    zitadel = Zitadel({GET_USER: user(), UPDATE_USER: {}})
    async with zitadel.directory() as directory:
        profile = await directory.change_profile("access", ME, ProfileChange(last_name="King"))
    human = {"profile": {"givenName": "Ada", "familyName": "King"}}
    assert zitadel.asked(UPDATE_USER) == [{"userId": ME, "human": human}]
    assert (profile.first_name, profile.last_name, profile.display_name) == ("Ada", "King", "Countess")
    assert profile.email_verified


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (failed("already_exists", 409), Conflict),
        (failed("not_found", 404), Forbidden),
        (failed("permission_denied", 403), Forbidden),
        (failed("invalid_argument", 400), InvalidRequest),
        (failed("unauthenticated", 401), Unauthorized),
        (failed("unavailable", 503), Unavailable),
        (httpx2.ReadTimeout("slow"), Unavailable),
    ],
    ids=str,
)
async def test_a_change_that_was_not_confirmed_is_an_error_and_is_not_tried_again(
    answer: httpx2.Response | Exception, raised: type[ApiError]
) -> None:
    zitadel = Zitadel({GET_USER: user(), UPDATE_USER: answer})
    async with zitadel.directory() as directory:
        with pytest.raises(raised):
            await directory.change_profile("access", ME, ProfileChange(email="x@example.org"))
    assert len(zitadel.asked(UPDATE_USER)) == 1


async def test_an_address_that_is_taken_is_told_as_that_field() -> None:
    for code, details in (("already_exists", {"field": "email"}), ("aborted", {})):
        zitadel = Zitadel({GET_USER: user(), UPDATE_USER: failed(code, 409)})
        async with zitadel.directory() as directory:
            with pytest.raises(Conflict) as caught:
                await directory.change_profile("access", ME, ProfileChange(email="x@example.org"))
        assert caught.value.details == details


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
