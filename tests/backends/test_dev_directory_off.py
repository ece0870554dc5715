"""The development directory when it is off: reads that lag, services that lack, roles that were taken back."""

from __future__ import annotations

import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from tests.backends.dev_provider import Ask, Json, failure, tokens_of, userinfo

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio

USERS = "zitadel.user.v2.UserService"
GROUPS = "zitadel.group.v2.GroupService"
ROLES = "zitadel.authorization.v2.AuthorizationService/ListAuthorizations"
ORGANIZATION = "100000000000000001"


async def email_of(ask: Ask, dev: DevDirectory) -> Json:
    answer = await ask("alice", f"{USERS}/GetUserByID", {"userId": dev.user_id("alice")})
    found: Json = answer.json()["user"]["human"]["email"]
    return found


async def test_a_new_address_is_confirmed_by_the_code_that_was_sent_to_it_once(ask: Ask, dev: DevDirectory) -> None:
    me = dev.user_id("alice")
    verify = f"{USERS}/VerifyEmail"
    assert failure(await ask("alice", verify, {"userId": me, "verificationCode": "x"})) == (400, "failed_precondition")
    change = {"userId": me, "human": {"email": {"email": "new@generalbots.example", "sendCode": {}}}}
    assert (await ask("alice", f"{USERS}/UpdateUser", change)).status_code == 200
    assert await email_of(ask, dev) == {"email": "new@generalbots.example"}
    code = dev.email_code("alice")
    assert code
    for wrong in ("x", "", code[:-1], "x" * 21):
        body = {"userId": me, "verificationCode": wrong}
        assert failure(await ask("alice", verify, body)) == (400, "invalid_argument")
    body = {"userId": me, "verificationCode": code}
    assert failure(await ask("bob", verify, body)) == (404, "not_found")
    assert "details" in (await ask("alice", verify, body)).json()
    assert await email_of(ask, dev) == {"email": "new@generalbots.example", "isVerified": True}
    assert dev.email_code("alice") is None
    assert failure(await ask("alice", verify, body)) == (400, "failed_precondition")


async def test_roles_that_were_taken_back_are_listed_as_inactive_and_in_no_claim(ask: Ask, dev: DevDirectory) -> None:
    dev.set_inactive_roles("alice", ["admin"])
    listed = (await ask("alice", ROLES, {})).json()["authorizations"]
    told = {one["state"]: [role["key"] for role in one["roles"]] for one in listed}
    assert told == {"STATE_ACTIVE": ["user"], "STATE_INACTIVE": ["admin"]}
    assert len({one["id"] for one in listed}) == 2
    filters = {"filters": [{"state": {"state": "STATE_ACTIVE"}}]}
    assert [one["state"] for one in (await ask("alice", ROLES, filters)).json()["authorizations"]] == ["STATE_ACTIVE"]
    info = (await userinfo(dev, (await tokens_of(dev))["access_token"])).json()
    assert list(info["urn:zitadel:iam:org:project:roles"]) == ["user"]


async def test_reads_that_lag_tell_how_it_was_while_writes_are_done(ask: Ask, dev: DevDirectory) -> None:
    dev.set_lagging(True)
    made = await ask("admin", f"{GROUPS}/CreateGroup", {"organizationId": ORGANIZATION, "name": "Board"})
    assert made.status_code == 200
    again = await ask("admin", f"{GROUPS}/CreateGroup", {"organizationId": ORGANIZATION, "name": "board"})
    assert failure(again) == (409, "already_exists")
    change = {"userId": dev.user_id("alice"), "human": {"profile": {"givenName": "Alicia"}}}
    assert (await ask("alice", f"{USERS}/UpdateUser", change)).status_code == 200

    async def told() -> tuple[list[str], str]:
        groups = (await ask("admin", f"{GROUPS}/ListGroups", {})).json()["groups"]
        user = (await ask("alice", f"{USERS}/GetUserByID", {"userId": dev.user_id("alice")})).json()["user"]
        return sorted(one["name"] for one in groups), user["human"]["profile"]["givenName"]

    assert await told() == (["staff"], "Alice")
    dev.set_lagging(False)
    assert await told() == (["Board", "staff"], "Alicia")


async def test_a_service_that_is_missing_is_404_without_json_and_the_others_answer(ask: Ask, dev: DevDirectory) -> None:
    dev.set_missing("GroupService")
    for method in ("CreateGroup", "ListGroups", "ListGroupUsers", "AddUsersToGroup", "RemoveUsersFromGroup"):
        answer = await ask("admin", f"{GROUPS}/{method}", {})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/plain")
    assert (await ask("admin", ROLES, {})).status_code == 200
    dev.set_missing()
    assert (await ask("admin", f"{GROUPS}/ListGroups", {})).status_code == 200
    with pytest.raises(ValueError, match="GroupService"):
        dev.set_missing("Groups")
