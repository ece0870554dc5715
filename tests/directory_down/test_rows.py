"""What works while the Directory is down, in each way of being down, by the doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from httpx2 import AsyncClient as Client

from tests.directory_down.ailing import DOWN, ILLNESSES, Ward, ward
from tests.support.promises import check_error, close_code, hear, opened, say, token_of
from tests.support.service import log_in

pytestmark = pytest.mark.anyio

STALE = 301  # seconds after which roles are asked for again


@pytest.fixture
async def beds() -> AsyncIterator[Ward]:
    async with ward() as beds:
        yield beds


@pytest.fixture
async def alice(beds: Ward) -> AsyncIterator[Client]:
    async with await beds.service.bearer("alice") as client:
        yield client


@pytest.fixture
async def admin(beds: Ward) -> AsyncIterator[Client]:
    async with await beds.service.bearer("admin") as client:
        yield client


@pytest.fixture(params=ILLNESSES)
def illness(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check_down(answer: httpx2.Response, illness: str) -> None:
    """503 that says when to come back; 502 for an answer that makes no sense."""
    check_error(answer, DOWN[illness], "SERVER_ERROR")
    if answer.status_code == 503:
        assert 1 <= int(answer.headers["retry-after"]) <= 10


async def test_login_is_503_and_leads_nowhere(beds: Ward, illness: str) -> None:
    beds.directory.illness = illness
    async with beds.service.client() as browser:
        for _ in range(3):
            answer = await browser.get("/auth/login")
            check_error(answer, 503, "SERVER_ERROR")
            assert int(answer.headers["retry-after"]) >= 1
            assert "location" not in answer.headers
            assert "set-cookie" not in answer.headers


async def test_login_is_503_also_while_the_metadata_is_fresh_and_works_again_afterwards(
    beds: Ward, alice: Client, illness: str
) -> None:
    beds.directory.illness = illness
    check_down(await alice.get("/api/users/me"), illness)
    async with beds.service.client() as browser:
        for _ in range(3):
            answer = await browser.get("/auth/login")
            check_error(answer, 503, "SERVER_ERROR")
            assert "location" not in answer.headers
        beds.recover()
        assert (await log_in(browser, "bob")).status_code == 303


async def test_a_login_under_way_is_given_up_without_a_session(beds: Ward, illness: str) -> None:
    async with beds.service.client() as browser:
        await log_in(browser, "bob")
        begun = await browser.get((await browser.get("/auth/login")).headers["location"])  # known there already
        beds.directory.illness = illness
        answer = await browser.get(begun.headers["location"])
    check_down(answer, illness)
    assert "gb_session" not in str(answer.headers.get_list("set-cookie"))


NEEDS_IT: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/api/users/me", None),
    ("PUT", "/api/users/me", {"first_name": "Alicia"}),
    ("POST", "/api/groups/create", {"name": "Board"}),
    ("GET", "/api/groups/list", None),
    ("GET", "/api/groups/1/members", None),
    ("POST", "/api/groups/1/members/add", {"user_id": "1"}),
    ("DELETE", "/api/groups/1/members/remove", {"user_id": "1"}),
]


async def test_profile_and_groups_are_an_error_that_says_when_to_come_back(
    beds: Ward, admin: Client, illness: str
) -> None:
    beds.directory.illness = illness
    for method, path, body in NEEDS_IT:
        check_down(await admin.request(method, path, json=body), illness)
    beds.recover()
    assert (await admin.get("/api/users/me")).json()["username"] == "admin"
    assert [one["name"] for one in (await admin.get("/api/groups/list")).json()["groups"]] == ["staff"]


@pytest.mark.parametrize("age", [0, STALE], ids=["fresh roles", "old roles"])
async def test_everything_else_goes_on(beds: Ward, alice: Client, illness: str, age: int) -> None:
    id = await opened(alice, "staff")
    beds.directory.illness = illness
    beds.service.clock.advance(age)
    assert (await alice.get("/auth/validate")).json()["valid"] is True
    assert (await alice.get("/api/session")).json()["bot_id"] == "staff"
    assert [bot["id"] for bot in (await alice.get("/api/bots")).json()["bots"]] == ["echo", "staff"]
    async with beds.service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "message", "content": "Hello", "session_id": id})
        assert (await hear(socket))["content"] == "Hello"
    async with beds.service.socket(token_of(alice), subprotocols=["gb.v1"]) as socket:
        assert (await hear(socket))["type"] == "hello"
        await say(socket, {"type": "message", "content": "Again", "session_id": id, "id": "c-1"})
        while (frame := await hear(socket))["type"] != "message":
            pass
        assert frame["content"] == "Again"
    sent = await alice.post(f"/api/conversations/{id}/messages", json={"content": "By REST"})
    assert sent.status_code == 202, sent.text
    history = (await alice.get(f"/api/conversations/{id}/history")).json()["messages"]
    assert [one["content"] for one in history][:4] == ["Hello", "Hello", "Again", "Again"]
    assert len((await alice.get("/api/users/me/sessions")).json()["sessions"]) == 1
    assert (await alice.delete(f"/api/session/{id}")).status_code == 200
    await opened(alice)
    assert (await alice.get("/health")).json()["status"] == "healthy"
    assert (await alice.get("/ready")).status_code == 200


async def test_logout_ends_the_session_here_and_says_that_the_directory_did_not_confirm(
    beds: Ward, alice: Client, illness: str
) -> None:
    beds.directory.illness = illness
    async with beds.service.socket(token_of(alice)) as socket:
        answer = await alice.post("/auth/logout")
        assert (answer.status_code, answer.json()["directory_revoked"]) == (200, False)
        assert await close_code(socket) == 4401
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
    assert (await alice.get("/auth/validate")).json()["valid"] is False


async def test_logging_out_everywhere_ends_every_session_here(beds: Ward, alice: Client, illness: str) -> None:
    async with await beds.service.bearer("alice") as other:
        beds.directory.illness = illness
        answer = await alice.delete("/api/users/me/sessions")
        assert (answer.status_code, answer.json()["directory_revoked"]) == (200, False)
        for client in (alice, other):
            check_error(await client.get("/api/session"), 401, "UNAUTHORIZED")


async def test_a_logout_that_the_directory_tells_is_heeded_with_the_keys_that_are_known(
    beds: Ward, alice: Client, illness: str
) -> None:
    token = beds.service.dev.logout_token("alice")
    beds.directory.illness = illness
    assert (await alice.post("/auth/backchannel-logout", data={"logout_token": token})).status_code == 200
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_admin_works_until_the_roles_are_sixty_seconds_old(beds: Ward, admin: Client, illness: str) -> None:
    beds.directory.illness = illness
    for seconds in (0, 59):
        beds.service.clock.advance(seconds)
        for path in ("/api/admin/system/status", "/api/admin/system/metrics"):
            assert (await admin.get(path)).status_code == 200
    beds.service.clock.advance(1)
    for path in ("/api/admin/system/status", "/api/admin/system/metrics"):
        answer = await admin.get(path)
        check_error(answer, 503, "SERVER_ERROR")
        assert 1 <= int(answer.headers["retry-after"]) <= 10
    beds.recover()
    assert (await admin.get("/api/admin/system/metrics")).status_code == 200


async def test_a_login_whose_access_token_is_over_is_kept(beds: Ward, alice: Client, illness: str) -> None:
    beds.service.clock.advance(3_599)  # the session is prolonged by use, the token is not
    assert (await alice.get("/api/session")).status_code == 200
    beds.directory.illness = illness
    beds.service.clock.advance(600)
    check_down(await alice.get("/api/users/me"), illness)
    assert (await alice.get("/auth/validate")).json()["valid"] is True
    beds.recover()
    assert (await alice.get("/api/users/me")).json()["username"] == "alice"
