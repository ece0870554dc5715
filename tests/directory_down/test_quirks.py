"""A Directory that is there, but older, slower to tell, or stricter than one would like: by the doors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient as Client

from tests.directory_down.ailing import Ward, ward
from tests.support.promises import check_error, hear, opened, say, token_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def beds() -> AsyncIterator[Ward]:
    async with ward() as beds:
        yield beds


async def staff_id(admin: Client) -> str:
    return str((await admin.get("/api/groups/list")).json()["groups"][0]["id"])


async def test_without_the_group_service_groups_are_a_clear_503_and_the_rest_works(beds: Ward) -> None:
    beds.service.dev.set_missing("GroupService")
    async with await beds.service.bearer("admin") as admin:
        for method, path, body in (
            ("GET", "/api/groups/list", None),
            ("GET", "/api/groups/1/members", None),
            ("POST", "/api/groups/create", {"name": "Board"}),
            ("POST", "/api/groups/1/members/add", {"user_id": "1"}),
            ("DELETE", "/api/groups/1/members/remove", {"user_id": "1"}),
        ):
            answer = await admin.request(method, path, json=body)
            check_error(answer, 503, "SERVER_ERROR")
            assert "GroupService" in answer.json()["error"]["message"]
        assert (await admin.get("/api/users/me")).json()["roles"] == ["admin"]
        assert (await admin.get("/api/admin/system/status")).status_code == 200
        await opened(admin, "staff")


async def test_without_the_authorization_service_roles_come_from_the_userinfo(beds: Ward) -> None:
    beds.service.dev.set_missing("AuthorizationService", "GroupService")
    async with await beds.service.bearer("admin") as admin, await beds.service.bearer("bob") as bob:
        assert (await admin.get("/api/admin/system/metrics")).status_code == 200
        check_error(await bob.get("/api/admin/system/metrics"), 403, "FORBIDDEN")


async def test_a_role_whose_authorization_is_inactive_is_none(beds: Ward) -> None:
    async with await beds.service.bearer("admin") as admin:
        beds.service.dev.set_roles("admin", [])
        beds.service.dev.set_inactive_roles("admin", ["admin"])
        beds.service.clock.advance(60)
        check_error(await admin.get("/api/admin/system/status"), 403, "FORBIDDEN")


async def test_a_permission_lost_by_a_group_change_is_felt_at_the_next_message_though_reads_lag(beds: Ward) -> None:
    async with await beds.service.bearer("admin") as admin, await beds.service.bearer("alice") as alice:
        id, group = await opened(alice, "staff"), await staff_id(admin)
        beds.service.dev.set_lagging(True)
        change = {"user_id": beds.service.dev.user_id("alice")}
        async with beds.service.socket(token_of(alice)) as socket:
            answer = await admin.request("DELETE", f"/api/groups/{group}/members/remove", json=change)
            assert [one["status"] for one in answer.json()["results"]] == ["removed"]
            await say(socket, {"type": "message", "content": "Hello", "session_id": id})
            assert (await hear(socket))["error"]["code"] == "FORBIDDEN"
            answer = await admin.post(f"/api/groups/{group}/members/add", json=change)
            assert [one["status"] for one in answer.json()["results"]] == ["added"]
            await say(socket, {"type": "message", "content": "Hello", "session_id": id})
            assert (await hear(socket))["content"] == "Hello"


async def test_a_group_is_filled_right_after_it_was_made_though_reads_lag(beds: Ward) -> None:
    async with await beds.service.bearer("admin") as admin:
        beds.service.dev.set_lagging(True)
        id = (await admin.post("/api/groups/create", json={"name": "Board"})).json()["id"]
        change = {"user_id": beds.service.dev.user_id("bob")}
        for method, path, status in (
            ("POST", "add", "added"),
            ("POST", "add", "unchanged"),
            ("DELETE", "remove", "removed"),
            ("DELETE", "remove", "unchanged"),
        ):
            answer = await admin.request(method, f"/api/groups/{id}/members/{path}", json=change)
            assert [one["status"] for one in answer.json()["results"]] == [status]


async def test_a_profile_is_told_as_it_was_written_and_its_address_as_unconfirmed_until_it_is(beds: Ward) -> None:
    dev = beds.service.dev
    async with await beds.service.bearer("alice") as alice:
        dev.set_lagging(True)
        written = {"email": "new@generalbots.example", "last_name": "King"}
        answer = (await alice.put("/api/users/me", json=written)).json()
        assert answer["verification_required"] is True
        told = {"email": "new@generalbots.example", "last_name": "King", "email_verified": False}
        for shown in (answer, (await alice.get("/api/users/me")).json()):
            assert {name: shown[name] for name in told} == told
        dev.set_lagging(False)
        user = dev._state.people.named("alice")
        user.is_email_verified, user.email_code = True, None  # as VerifyEmail does
        assert (await alice.get("/api/users/me")).json()["email_verified"] is True


async def test_our_quota_there_is_a_503_that_says_when_to_come_back_and_not_the_caller_s_429(beds: Ward) -> None:
    async with await beds.service.bearer("alice") as alice:
        beds.directory.illness = "quota"
        for _ in range(10):  # which is not down: the circuit stays closed
            answer = await alice.get("/api/users/me")
            check_error(answer, 503, "SERVER_ERROR")
            assert answer.headers["retry-after"] == "30"
            assert "words of Zitadel" not in answer.text
        assert beds.directory.calls >= 10
