"""Zitadel's user and authorization services: profile, roles, and whether somebody is active."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest

from generalbots_api.auth.model import Secret
from generalbots_api.directory import Directory
from generalbots_api.errors import ApiError, Conflict, Forbidden, InvalidRequest, Unauthorized, Unavailable
from generalbots_api.users.model import Profile, ProfileChange
from tests.backends.zitadel_stub import (
    GET_USER,
    LIST_AUTHORIZATIONS,
    LIST_GROUP_USERS,
    ME,
    UPDATE_USER,
    Zitadel,
    failed,
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


async def test_a_name_goes_alone_and_the_display_name_does_not_follow() -> None:
    zitadel = Zitadel({GET_USER: user(), UPDATE_USER: {}})
    async with zitadel.directory() as directory:
        profile = await directory.change_profile("access", ME, ProfileChange(last_name="King"))
    human = {"profile": {"familyName": "King"}}
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
