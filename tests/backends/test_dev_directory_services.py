"""The development directory: the door to Zitadel's services; users and roles."""

from __future__ import annotations

import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import ISSUER, Ask, Json, browser_of, failure, tokens_of, userinfo

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio

USERS = "zitadel.user.v2.UserService"
GROUPS = "zitadel.group.v2.GroupService"
ROLES = "zitadel.authorization.v2.AuthorizationService/ListAuthorizations"
NOON = "2026-01-20T12:00:00Z"
ORGANIZATION = "100000000000000001"


# The door


async def test_without_a_token_calls_are_unauthenticated(dev: DevDirectory) -> None:
    async with browser_of(dev) as client:
        assert failure(await client.post(f"{ISSUER}/{USERS}/GetUserByID", json={})) == (401, "unauthenticated")
        client.headers["authorization"] = "Bearer nonsense"
        assert failure(await client.post(f"{ISSUER}/{USERS}/GetUserByID", json={})) == (401, "unauthenticated")


async def test_a_token_without_zitadel_s_audience_is_unauthenticated(dev: DevDirectory) -> None:
    token = (await tokens_of(dev, scope="openid profile"))["access_token"]
    assert (await userinfo(dev, token)).status_code == 200
    async with browser_of(dev) as client:
        client.headers["authorization"] = f"Bearer {token}"
        assert failure(await client.post(f"{ISSUER}/{ROLES}", json={})) == (401, "unauthenticated")


@pytest.mark.parametrize("method", [f"{GROUPS}/Nonsense", "zitadel.nothing.v2.Service/Get"])
async def test_a_method_that_is_not_there_is_404_without_json(ask: Ask, method: str) -> None:
    answer = await ask("admin", method)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/plain")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b'"x"', b'{"userId": 1}', b'{"userid": "1"}', b'{"a":' * 50_000]
)
async def test_what_is_no_message_is_an_invalid_argument(ask: Ask, content: bytes) -> None:
    answer = await ask(
        "admin", f"{USERS}/GetUserByID", content=content[:60_000], headers={"Content-Type": "application/json"}
    )
    assert failure(answer) == (400, "invalid_argument")


async def test_another_kind_of_body_is_415(ask: Ask) -> None:
    answer = await ask("admin", f"{USERS}/GetUserByID", data={"userId": "1"})
    assert (answer.status_code, answer.headers["accept-post"]) == (415, "application/json")


async def test_too_long_a_body_is_refused(ask: Ask) -> None:
    assert failure(await ask("admin", f"{GROUPS}/CreateGroup", {"name": "x" * 70_000})) == (429, "resource_exhausted")


async def test_null_is_as_good_as_left_out(ask: Ask, dev: DevDirectory) -> None:
    body = {"userId": dev.user_id("bob"), "human": {"email": None, "profile": {"givenName": None}}, "username": None}
    assert (await ask("bob", f"{USERS}/UpdateUser", body)).status_code == 200


# Users


async def get_user(ask: Ask, dev: DevDirectory, username: str) -> Json:
    user: Json = (await ask(username, f"{USERS}/GetUserByID", {"userId": dev.user_id(username)})).json()["user"]
    return user


async def test_a_user_has_zitadel_s_shape(ask: Ask, dev: DevDirectory) -> None:
    details = {"sequence": "1", "changeDate": NOON, "creationDate": NOON, "resourceOwner": ORGANIZATION}
    assert await get_user(ask, dev, "alice") == {
        "userId": dev.user_id("alice"),
        "details": details,
        "state": "USER_STATE_ACTIVE",
        "username": "alice",
        "loginNames": ["alice"],
        "preferredLoginName": "alice",
        "human": {
            "profile": {"givenName": "Alice", "familyName": "Liddell", "displayName": "Alice Liddell"},
            "email": {"email": "alice@generalbots.example", "isVerified": True},
        },
    }


async def test_others_are_not_found_but_by_an_admin(ask: Ask, dev: DevDirectory) -> None:
    wanted = {"userId": dev.user_id("bob")}
    assert failure(await ask("alice", f"{USERS}/GetUserByID", wanted)) == (404, "not_found")
    assert failure(await ask("alice", f"{USERS}/GetUserByID", {"userId": "1"})) == (404, "not_found")
    assert failure(await ask("alice", f"{USERS}/GetUserByID")) == (400, "invalid_argument")
    dev.deactivate("bob")
    assert (await ask("admin", f"{USERS}/GetUserByID", wanted)).json()["user"]["state"] == "USER_STATE_INACTIVE"


async def test_a_change_is_partial_and_the_display_name_does_not_follow(
    ask: Ask, dev: DevDirectory, clock: ManualClock
) -> None:
    clock.advance(0.5)
    body = {"userId": dev.user_id("alice"), "human": {"profile": {"givenName": "Alicia"}}}
    answer = await ask("alice", f"{USERS}/UpdateUser", body)
    assert answer.json() == {"changeDate": "2026-01-20T12:00:00.500000Z"}
    profile = {"givenName": "Alicia", "familyName": "Liddell", "displayName": "Alice Liddell"}
    assert (await get_user(ask, dev, "alice"))["human"]["profile"] == profile


async def test_a_new_address_is_unverified_and_a_code_is_sent(ask: Ask, dev: DevDirectory) -> None:
    assert dev.email_code("alice") is None
    body = {"userId": dev.user_id("alice"), "human": {"email": {"email": "a@new.example", "sendCode": {}}}}
    assert (await ask("alice", f"{USERS}/UpdateUser", body)).status_code == 200
    assert (await get_user(ask, dev, "alice"))["human"]["email"] == {"email": "a@new.example"}  # false is left out
    assert dev.email_code("alice")


async def test_the_same_address_again_stays_verified(ask: Ask, dev: DevDirectory) -> None:
    email = {"email": "alice@generalbots.example", "sendCode": {}}
    await ask("alice", f"{USERS}/UpdateUser", {"userId": dev.user_id("alice"), "human": {"email": email}})
    assert (await get_user(ask, dev, "alice"))["human"]["email"]["isVerified"] is True
    assert dev.email_code("alice") is None


@pytest.mark.parametrize(
    ("human", "expected"),
    [
        ({"email": {"email": "BOB@generalbots.example", "sendCode": {}}}, (409, "already_exists")),
        ({"email": {"email": "a@new.example", "isVerified": True}}, (403, "permission_denied")),
        ({"email": {"isVerified": False}}, (403, "permission_denied")),
        ({"email": {"email": "a@new.example", "returnCode": {}}}, (403, "permission_denied")),
        ({"email": {"email": "nonsense"}}, (400, "invalid_argument")),
        ({"email": {"email": ""}}, (400, "invalid_argument")),
        ({"profile": {"givenName": ""}}, (400, "invalid_argument")),
        ({"profile": {"givenName": "New", "familyName": "x" * 201}}, (400, "invalid_argument")),
        ({"password": {}}, (400, "invalid_argument")),
    ],
)
async def test_a_change_that_is_refused_changes_nothing(
    ask: Ask, dev: DevDirectory, human: Json, expected: tuple[int, str]
) -> None:
    before = await get_user(ask, dev, "alice")
    body = {"userId": dev.user_id("alice"), "human": {"profile": {"givenName": "New"}, **human}}
    assert failure(await ask("alice", f"{USERS}/UpdateUser", body)) == expected
    assert await get_user(ask, dev, "alice") == before


async def test_nobody_changes_somebody_else(ask: Ask, dev: DevDirectory) -> None:
    body = {"userId": dev.user_id("bob"), "human": {"profile": {"givenName": "Bobby"}}}
    assert failure(await ask("alice", f"{USERS}/UpdateUser", body)) == (404, "not_found")
    assert (await get_user(ask, dev, "bob"))["human"]["profile"]["givenName"] == "Bob"


async def test_a_new_username_ends_the_user_s_sessions(ask: Ask, dev: DevDirectory) -> None:
    id = dev.user_id("alice")
    assert failure(await ask("alice", f"{USERS}/UpdateUser", {"userId": id, "username": "Bob"})) == (
        409,
        "already_exists",
    )
    assert (await ask("alice", f"{USERS}/UpdateUser", {"userId": id, "username": "alicia"})).status_code == 200
    assert failure(await ask("alice", f"{USERS}/GetUserByID", {"userId": id})) == (401, "unauthenticated")
    assert dev.user_id("alicia") == id


# Roles


async def roles(ask: Ask, username: str, *filters: Json) -> dict[str, list[str]]:
    answer = (await ask(username, ROLES, {"filters": list(filters)})).json()
    found = answer.get("authorizations", [])
    assert answer["pagination"].get("totalResult", "0") == str(len(found))
    return {one["user"]["preferredLoginName"]: [role["key"] for role in one["roles"]] for one in found}


async def test_everyone_sees_his_own_roles_and_an_admin_all(ask: Ask) -> None:
    assert await roles(ask, "alice") == {"alice": ["user"]}
    assert await roles(ask, "bob") == {}  # no role, no authorization
    assert await roles(ask, "admin") == {"alice": ["user"], "admin": ["admin"]}


async def test_authorizations_are_filtered(ask: Ask, dev: DevDirectory) -> None:
    of_alice: Json = {"inUserIds": {"ids": [dev.user_id("alice"), "1"]}}
    here, active = {"projectId": {"id": dev.project_id}}, {"state": {"state": "STATE_ACTIVE"}}
    assert await roles(ask, "admin", of_alice, here, active) == {"alice": ["user"]}
    assert await roles(ask, "bob", of_alice) == {}
    assert await roles(ask, "admin", {"projectId": {"id": "1"}}) == {}
    assert await roles(ask, "admin", {"state": {"state": "STATE_INACTIVE"}}) == {}
    assert await roles(ask, "admin", {"inUserIds": {}}) == {}


async def test_an_authorization_has_zitadel_s_shape(ask: Ask, dev: DevDirectory) -> None:
    dev.set_roles("alice", ["user", "admin"])
    filters = [{"inUserIds": {"ids": [dev.user_id("alice")]}}]
    answer = (await ask("alice", ROLES, {"filters": filters})).json()
    one = answer["authorizations"][0]
    assert answer["pagination"] == {"totalResult": "1", "appliedLimit": "100"}
    assert (one["project"]["id"], one["user"]["id"], one["state"]) == ("1001", dev.user_id("alice"), "STATE_ACTIVE")
    assert [role["key"] for role in one["roles"]] == ["admin", "user"]


@pytest.mark.parametrize(
    "one", [{}, {"projectId": {"id": "1"}, "inUserIds": {}}, {"state": {"state": "SOMEHOW"}}, {"userName": "x"}]
)
async def test_a_filter_that_makes_no_sense_is_an_invalid_argument(ask: Ask, one: Json) -> None:
    assert failure(await ask("bob", ROLES, {"filters": [one]})) == (400, "invalid_argument")
