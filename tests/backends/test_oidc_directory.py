"""`OidcDirectory` beyond the login: profile, roles and groups by claims."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from generalbots_api.auth.model import Secret, Standing
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.directory import Directory
from generalbots_api.errors import BadGateway, NotSupported, Unauthorized, Unavailable
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, NewGroup
from generalbots_api.ids import GroupId, UserId
from generalbots_api.users.model import Profile, ProfileChange
from tests.backends.oidc_forge import ACCESS, TinyOp

pytestmark = pytest.mark.anyio

ME = UserId("42")


def test_it_is_a_directory() -> None:
    directory: Directory = TinyOp().directory()
    assert not directory.is_for_development


@pytest.mark.parametrize(
    ("claim", "names"),
    [
        (["admin", "user"], {"admin", "user"}),
        ({"admin": {"1": "one.example"}}, {"admin"}),
        ("admin", {"admin"}),
        (["admin", 5, None, "", ["x"]], {"admin"}),
        (None, set()),
        (5, set()),
        (True, set()),
        ([], set()),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
async def test_roles_and_groups_are_read_from_claims(claim: object, names: set[str]) -> None:
    op = TinyOp(info={"realm_roles": claim, "teams": claim, "roles": ["not these"], "groups": ["nor these"]})
    async with op.directory(roles_claim="realm_roles", groups_claim="teams") as directory:
        standing = await directory.standing(Secret(ACCESS), ME)
    assert standing == Standing(roles=frozenset(names), groups=frozenset(names), active=True)


async def test_the_profile_is_of_standard_claims() -> None:
    op = TinyOp(
        info={
            "preferred_username": "ada",
            "given_name": "Ada",
            "family_name": "Lovelace",
            "email": "ada@op.example",
            "email_verified": True,
        }
    )
    async with op.directory() as directory:
        assert await directory.profile(ACCESS, ME) == Profile(
            user_id=ME,
            username="ada",
            email="ada@op.example",
            email_verified=True,
            first_name="Ada",
            last_name="Lovelace",
            display_name="Ada Lovelace",
        )


async def test_claims_of_a_wrong_type_are_not_there() -> None:
    op = TinyOp(info={"preferred_username": 5, "email": ["x"], "email_verified": "true", "name": None})
    async with op.directory() as directory:
        profile = await directory.profile(ACCESS, ME)
    assert profile == Profile(
        user_id=ME, username="42", email="", email_verified=False, first_name="", last_name="", display_name=""
    )


async def test_the_access_token_goes_in_the_header() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await directory.profile(ACCESS, ME)
    assert op.requests[-1].headers["authorization"] == f"Bearer {ACCESS}"
    assert not op.requests[-1].url.query


CALLS: dict[str, Callable[[OidcDirectory], Awaitable[object]]] = {
    "standing": lambda directory: directory.standing(Secret(ACCESS), ME),
    "profile": lambda directory: directory.profile(ACCESS, ME),
    "groups": lambda directory: directory.groups(ACCESS, GroupQuery(member=ME)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_userinfo_of_somebody_else_is_never_taken_for_the_users(
    call: Callable[[OidcDirectory], Awaitable[object]],
) -> None:
    for sub in ("43", None, 42):
        async with TinyOp(info={"sub": sub}).directory() as directory:
            with pytest.raises(BadGateway):
                await call(directory)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (httpx2.Response(401), Unauthorized),
        (httpx2.Response(403), Unauthorized),
        (httpx2.Response(404), Unavailable),
        (httpx2.Response(302, headers={"location": "/"}), Unavailable),
        (httpx2.Response(200, text="eyJhbGciOiJSUzI1NiJ9.e30.x"), BadGateway),
    ],
    ids=str,
)
async def test_a_userinfo_that_is_not_given_is_an_error(
    call: Callable[[OidcDirectory], Awaitable[object]], answer: httpx2.Response, raised: type[Exception]
) -> None:
    async with TinyOp(bent={"/userinfo": answer}).directory() as directory:
        with pytest.raises(raised):
            await call(directory)


async def test_without_a_userinfo_endpoint_nobody_logs_in() -> None:
    op = TinyOp(metadata={"userinfo_endpoint": None})
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await op.log_in(directory)


async def test_ones_own_groups_are_listed_by_name_and_in_pages() -> None:
    op = TinyOp(info={"groups": ["staff", "Board", "stage crew"]})

    def group(name: str) -> Group:
        return Group(id=GroupId(name), name=name, description="", member_count=1, created_at=None)

    async with op.directory() as directory:
        page = await directory.groups(ACCESS, GroupQuery(member=ME, search="STA", limit=1, offset=1))
        everything = await directory.groups(ACCESS, GroupQuery(member=None))
        is_member = [await directory.is_member(ACCESS, GroupId(name), ME) for name in ("staff", "Staff", "sta")]
        assert not await directory.is_member(ACCESS, GroupId("staff"), UserId("43"))
    assert page == GroupPage(groups=[group("stage crew")], total=2)
    assert everything == GroupPage(groups=[group("Board"), group("staff"), group("stage crew")], total=3)
    assert is_member == [True, False, False]


async def test_what_a_provider_cannot_do_is_not_supported() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        with pytest.raises(NotSupported):
            await directory.change_profile(ACCESS, ME, ProfileChange(first_name="Ada"))
        with pytest.raises(NotSupported):
            await directory.create_group(ACCESS, "1", NewGroup(name="x"))
        with pytest.raises(NotSupported):
            await directory.change_members(ACCESS, GroupId("staff"), [ME], True)
        with pytest.raises(NotSupported):
            await directory.group_members(ACCESS, GroupId("staff"), 10, 0)
    assert not op.requests
