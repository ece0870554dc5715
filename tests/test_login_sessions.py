"""One's own login sessions: the list of them, and logging out of all of them, on each storage."""

from __future__ import annotations

from typing import Any

import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import check_error, close_code, hear, say, token_of
from tests.support.service import Service, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

SESSIONS = "/api/users/me/sessions"


async def listed(client: Client) -> list[dict[str, Any]]:
    answer = await client.get(SESSIONS)
    assert answer.status_code == 200, answer.text
    sessions: list[dict[str, Any]] = answer.json()["sessions"]
    return sessions


async def test_one_s_sessions_are_listed_newest_first_with_where_they_came_from(service: Service) -> None:
    phone = service.client(headers={"User-Agent": "phone"}, address=("192.0.2.7", 1))
    await service.log_in("alice", phone)
    await service.log_in("bob")
    service.clock.advance(60)
    alice = await service.bearer("alice")
    service.clock.advance(30)
    shown = await listed(alice)
    ids = [one.pop("id") for one in shown]
    agent = shown[0].pop("user_agent")
    assert shown == [
        {
            "created_at": "2026-01-20T12:01:00Z",
            "last_seen_at": "2026-01-20T12:01:00Z",
            "expires_at": "2026-01-20T13:01:00Z",
            "address": "127.0.0.1",
            "current": True,
        },
        {
            "created_at": "2026-01-20T12:00:00Z",
            "last_seen_at": "2026-01-20T12:00:00Z",
            "expires_at": "2026-01-20T13:00:00Z",
            "user_agent": "phone",
            "address": "192.0.2.7",
            "current": False,
        },
    ]
    assert agent.startswith("python-httpx")
    assert ids[0] == (await alice.get("/api/session")).json()["session_id"]
    assert len(set(ids)) == 2


async def test_the_list_holds_no_secret_and_its_ids_are_no_tokens(alice: Client) -> None:
    shown = await listed(alice)
    assert token_of(alice) not in str(shown)
    for one in shown:
        answer = await alice.get("/api/session", headers={"Authorization": f"Bearer {one['id']}"})
        check_error(answer, 401, "UNAUTHORIZED")


async def test_a_session_that_has_expired_or_ended_is_not_listed(service: Service) -> None:
    old, ended = await service.bearer("alice"), await service.bearer("alice")
    await ended.post("/auth/logout")
    service.clock.advance(3_600)
    alice = await service.bearer("alice")
    assert [one["current"] for one in await listed(alice)] == [True]
    check_error(await old.get(SESSIONS), 401, "UNAUTHORIZED")


async def test_a_long_user_agent_is_cut_and_a_strange_one_comes_back_as_text(service: Service) -> None:
    odd = [(b"user-agent", b"<script>\xff" + b"x" * 1_000)]
    browser = service.client()
    browser.headers = odd
    await service.log_in("alice", browser)
    alice = await service.bearer("alice")
    agent = (await listed(alice))[1]["user_agent"]
    assert agent.startswith("<script>\u00ffx")
    assert len(agent) == 200


async def test_one_session_of_the_list_can_be_ended_by_its_id(alice: Client, service: Service) -> None:
    other = await service.bearer("alice")
    id = next(one["id"] for one in await listed(alice) if not one["current"])
    assert (await alice.delete(f"/api/session/{id}")).status_code == 200
    check_error(await other.get("/api/session"), 401, "UNAUTHORIZED")
    assert len(await listed(alice)) == 1


async def test_logging_out_everywhere_ends_every_session_of_this_user_only(service: Service, bob: Client) -> None:
    browser = await service.log_in("alice")
    others = [await service.bearer("alice") for _ in range(3)]
    answer = await browser.delete(SESSIONS, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.json() == {
        "success": True,
        "message": "Logged out everywhere",
        "ended": 4,
        "directory_revoked": True,
    }
    assert answer.headers["set-cookie"].startswith("gb_session=; ")
    for client in (browser, *others):
        check_error(await client.get("/api/session"), 401, "UNAUTHORIZED")
    assert (await bob.get("/api/session")).status_code == 200


async def test_this_session_can_be_kept(service: Service, browser: Client) -> None:
    other = await service.bearer("alice")
    answer = await browser.delete(f"{SESSIONS}?keep_current=true")
    assert (answer.json()["ended"], "set-cookie" in answer.headers) == (1, False)
    check_error(await other.get("/api/session"), 401, "UNAUTHORIZED")
    assert [one["current"] for one in await listed(browser)] == [True]
    assert (await browser.delete(f"{SESSIONS}?keep_current=true")).json()["ended"] == 0


async def test_every_socket_of_the_user_closes_and_no_other(service: Service, alice: Client, bob: Client) -> None:
    second = await service.token("alice")
    async with (
        service.socket(token_of(alice)) as one,
        service.socket(second) as two,
        service.socket(token_of(bob)) as other,
    ):
        await alice.delete(SESSIONS)
        assert [await close_code(socket) for socket in (one, two)] == [4401, 4401]
        await say(other, {"type": "ping"})
        assert await hear(other) == {"type": "pong"}


async def test_another_site_cannot_log_one_out_everywhere(browser: Client) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        check_error(await browser.delete(SESSIONS, headers=headers), 403, "FORBIDDEN")
    assert len(await listed(browser)) == 1


@pytest.mark.parametrize("query", ["?keep_current=2", "?keep_current=", "?keep_current=true&keep_current=false"])
async def test_a_query_that_cannot_be_read_ends_nothing(alice: Client, query: str) -> None:
    check_error(await alice.delete(SESSIONS + query), 400, "INVALID_REQUEST")
    assert len(await listed(alice)) == 1


async def test_nobody_has_no_sessions(nobody: Client) -> None:
    check_error(await nobody.get(SESSIONS), 401, "UNAUTHORIZED")
    check_error(await nobody.delete(SESSIONS), 401, "UNAUTHORIZED")


async def test_they_are_listed_and_ended_while_the_directory_is_down(service: Service, alice: Client) -> None:
    service.dev.set_down(True)
    assert len(await listed(alice)) == 1
    answer = (await alice.delete(SESSIONS)).json()
    assert (answer["ended"], answer["directory_revoked"]) == (1, False)
    check_error(await alice.get(SESSIONS), 401, "UNAUTHORIZED")


async def test_of_more_logins_than_a_user_may_have_the_oldest_are_not_listed(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        for _ in range(20):
            await service.token("alice")
            service.clock.advance(1)
        alice = await service.bearer("alice")
        shown = await listed(alice)
    assert len(shown) == 20
    assert shown[-1]["created_at"] == "2026-01-20T12:00:01Z"


@pytest.mark.parametrize(("idle_timeout", "pause"), [(3_600, 60), (100, 10)])
async def test_use_is_written_down_once_a_minute_or_a_tenth_of_the_idle_limit(
    storage: Storage, idle_timeout: int, pause: int
) -> None:
    async with running_service(storage=storage, settings={"session_idle_timeout": idle_timeout}) as service:
        alice = await service.bearer("alice")
        (login,) = await service.storage.logins.of_user(service.dev.user_id("alice"))  # type: ignore[arg-type] # a UserId
        service.clock.advance(pause - 1)
        await alice.get("/api/session")
        assert await service.storage.logins.get(login.id) == login
        service.clock.advance(1)
        await alice.get("/api/session")
        assert await service.storage.logins.get(login.id) == login.seen(service.clock.now())


async def test_the_document_tells_the_types(nobody: Client) -> None:
    document = (await nobody.get("/openapi.json")).json()
    item = document["paths"][SESSIONS]
    names = {"id", "created_at", "last_seen_at", "expires_at", "user_agent", "address", "current"}
    assert set(document["components"]["schemas"]["LoginJson"]["properties"]) == names
    assert [one["name"] for one in item["delete"]["parameters"]] == ["keep_current"]
