"""A host that brings its own login: what works with it, what is not there, and what protects it, on each storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from starlette.requests import HTTPConnection

from generalbots_api import BotAccess, BotInfo, Caller, EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.ids import UserId
from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock
from generalbots_api.testing.clock import NOON
from tests.support.promises import check_error, close_code, hear, opened, refusal, say
from tests.support.service import KEY, Service, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

OWN = {"Origin": "http://127.0.0.1:8080"}


@dataclass
class Host:
    """A site with users of its own, by a cookie `user` or a header `X-User`."""

    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    clock: ManualClock = field(default_factory=ManualClock)
    aliases: dict[str, str | None] = field(default_factory=dict)
    expires_at: datetime | None = None
    asked: int = 0

    async def authenticate(self, connection: HTTPConnection) -> Caller | None:
        self.asked += 1
        name = connection.headers.get("x-user") or connection.cookies.get("user")
        name = self.aliases.get(name or "", name)
        if name == "broken":
            raise RuntimeError("the host's database says: secret")
        if not name:
            return None
        return Caller(
            user_id=UserId(name),
            roles=self.roles.get(name, frozenset()),
            groups=self.groups.get(name, frozenset()),
            expires_at=self.expires_at,
        )


@asynccontextmanager
async def hosted(storage: Storage, host: Host, **settings: Any) -> AsyncIterator[Service]:
    staff = EchoBot(BotInfo("staff", "Staff", "", BotAccess(groups=frozenset({"staff"}))))
    gb = GeneralBots(
        Settings(**{"secret_keys": [KEY], **settings}),
        storage=storage,
        bots=[EchoBot(), staff],
        authenticate=host.authenticate,
        clock=host.clock,
    )
    unused = DevDirectory("http://127.0.0.1:8080/none", secret_keys=[KEY])
    async with gb.lifespan():
        yield Service(gb, unused, host.clock, gb, storage)


def as_user(service: Service, name: str) -> httpx2.AsyncClient:
    """By a header, as a proxy of the host sets it; with an Authorization header no cookie is in play."""
    return service.client(headers={"X-User": name, "Authorization": "Basic eA=="})


async def test_sessions_bots_chat_and_limits_work_for_the_host_s_users(storage: Storage) -> None:
    async with hosted(storage, Host(groups={"ada": frozenset({"staff"})})) as service:
        ada, bob = as_user(service, "ada"), as_user(service, "bob")
        assert [one["id"] for one in (await ada.get("/api/bots")).json()["bots"]] == ["echo", "staff"]
        assert [one["id"] for one in (await bob.get("/api/bots")).json()["bots"]] == ["echo"]
        session = await opened(ada, "staff")
        check_error(await bob.post("/api/session/create", json={"bot_id": "staff"}), 403, "FORBIDDEN")
        assert (await ada.get("/api/session")).json() == {
            "session_id": None,
            "user_id": "ada",
            "bot_id": "staff",
            "created_at": None,
            "expires_at": None,
        }
        async with service.socket(None, headers=dict(ada.headers)) as socket:
            await say(socket, {"type": "message", "content": "Hello", "session_id": session})
            assert (await hear(socket))["content"] == "Hello"
        history = f"/api/conversations/{session}/history"
        assert len((await ada.get(history)).json()["messages"]) == 2
        check_error(await bob.get(history), 403, "FORBIDDEN")
        check_error(await bob.delete(f"/api/session/{session}"), 403, "FORBIDDEN")
        assert (await ada.delete(f"/api/session/{session}")).status_code == 200
        answer = await ada.get("/api/bots")
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("1000", "992")
        assert (await bob.get("/api/bots")).headers["x-ratelimit-remaining"] == "995"


async def test_admin_access_is_by_the_host_s_roles_as_they_are_at_the_request(storage: Storage) -> None:
    host = Host(roles={"ada": frozenset({"admin"})})
    async with hosted(storage, host) as service:
        ada = as_user(service, "ada")
        status = await ada.get("/api/admin/system/status")
        assert (status.status_code, status.headers["x-ratelimit-limit"]) == (200, "5000")
        assert "directory" not in {one["name"] for one in status.json()["components"]}
        assert (await ada.get("/api/admin/system/metrics")).status_code == 200
        host.roles.clear()
        check_error(await ada.get("/api/admin/system/status"), 403, "FORBIDDEN")


DIRECTORYS = [
    *(("GET", "/api/users/me"), ("PUT", "/api/users/me"), ("GET", "/api/users/me/sessions")),
    *(("DELETE", "/api/users/me/sessions"), ("GET", "/api/groups/list"), ("POST", "/api/groups/create")),
    *(("GET", "/api/groups/x/members"), ("POST", "/api/groups/x/members/add"), ("GET", "/auth/login")),
    *(("GET", "/auth/callback"), ("POST", "/auth/logout"), ("GET", "/auth/validate")),
    ("POST", "/auth/backchannel-logout"),
]


@pytest.mark.parametrize(("method", "path"), DIRECTORYS)
async def test_what_needs_a_directory_is_not_there(storage: Storage, method: str, path: str) -> None:
    async with hosted(storage, Host()) as service:
        check_error(await as_user(service, "ada").request(method, path), 404, "NOT_FOUND")
        answer = await service.client().request(method, path)
        check_error(answer, *((401, "UNAUTHORIZED") if path.startswith("/api") else (404, "NOT_FOUND")))
        document = (await service.client().get("/openapi.json")).json()
        assert not [known for known in document["paths"] if known.startswith(("/auth", "/api/users", "/api/groups"))]


async def test_with_a_directory_besides_what_needs_a_login_there_is_a_clear_refusal(storage: Storage) -> None:
    host = Host()
    async with running_service(storage=storage, authenticate=host.authenticate, clock=host.clock) as service:
        ada = as_user(service, "ada")
        for method, path in (("GET", "/api/users/me"), ("GET", "/api/groups/list"), ("GET", "/api/groups/x/members")):
            answer = await ada.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (501, "SERVER_ERROR"), path
        assert (await ada.get("/api/users/me/sessions")).json() == {"sessions": []}
        check_error(await ada.delete("/api/users/me/sessions"), 400, "INVALID_REQUEST")
        check_error(await ada.post("/auth/logout"), 400, "INVALID_REQUEST")
        assert (await ada.get("/api/session")).status_code == 200


async def test_nobody_is_401_and_public_endpoints_are_public(storage: Storage) -> None:
    async with hosted(storage, Host()) as service, service.client() as nobody:
        check_error(await nobody.get("/api/bots"), 401, "UNAUTHORIZED")
        check_error(await nobody.get("/api/session"), 401, "UNAUTHORIZED")
        check_error(await refusal(service, None), 401, "UNAUTHORIZED")
        assert (await nobody.get("/health")).status_code == 200
        assert (await nobody.get("/health")).headers["x-ratelimit-limit"] == "60"


async def test_a_token_of_ours_is_nobody_s(storage: Storage) -> None:
    async with hosted(storage, Host()) as service:
        token = "gbs_" + "A" * 43
        answer = await service.client(headers={"Authorization": f"Bearer {token}"}).get("/api/session")
        check_error(answer, 401, "UNAUTHORIZED")
        answer = await service.client(headers={"Cookie": f"gb_session={token}"}).get("/api/session")
        check_error(answer, 401, "UNAUTHORIZED")


CROSS = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]


@pytest.mark.parametrize("headers", [*CROSS, {"Origin": "null"}])
async def test_the_host_s_cookie_is_protected_as_ours_is(storage: Storage, headers: dict[str, str]) -> None:
    async with hosted(storage, Host()) as service:
        browser = service.client(headers={"Cookie": "user=ada"})
        answer = await browser.post("/api/session/create", json={"bot_id": "echo"}, headers=headers)
        check_error(answer, 403, "FORBIDDEN")
        assert (await browser.get("/api/session", headers=headers)).status_code == 200
        if "Origin" in headers:
            check_error(await refusal(service, None, headers={"Cookie": "user=ada", **headers}), 403, "FORBIDDEN")
        check_error(await refusal(service, None, headers={"Cookie": "user=ada"}), 403, "FORBIDDEN")
        own = {"Cookie": "user=ada", "Origin": "http://127.0.0.1:8080"}
        async with service.socket(None, headers=own) as socket:
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}


async def test_the_host_is_asked_once_for_a_request(storage: Storage) -> None:
    host = Host()
    async with hosted(storage, host) as service:
        await as_user(service, "ada").get("/api/bots")
        assert host.asked == 1


async def test_a_failure_of_the_host_s_login_is_a_500_that_tells_nothing(storage: Storage) -> None:
    async with hosted(storage, Host()) as service:
        answer = await as_user(service, "broken").get("/api/bots")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "SERVER_ERROR")
    assert "secret" not in answer.text


@pytest.mark.parametrize("subprotocol", [None, "gb.v1"])
async def test_a_socket_closes_when_the_host_s_session_expires(storage: Storage, subprotocol: str | None) -> None:
    host = Host(expires_at=NOON + timedelta(minutes=5))
    async with hosted(storage, host) as service:
        headers = dict(as_user(service, "ada").headers)
        if subprotocol:
            headers["Sec-WebSocket-Protocol"] = subprotocol
        async with service.socket(None, headers=headers) as socket:
            host.clock.advance(299)
            await service.gb._services.sockets.sweep()
            await say(socket, {"type": "ping"})
            while (await hear(socket))["type"] != "pong":
                pass
            host.clock.advance(1)
            await service.gb._services.sockets.sweep()
            assert await close_code(socket) == 4401


async def test_a_session_that_the_host_prolongs_keeps_its_sockets(storage: Storage) -> None:
    host = Host(expires_at=NOON + timedelta(minutes=5))
    async with hosted(storage, host) as service, service.socket(None, headers={"X-User": "ada", **OWN}) as socket:
        host.expires_at = NOON + timedelta(minutes=10)
        host.clock.advance(301)
        await service.gb._services.sockets.sweep()
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}


async def test_a_permission_that_the_host_takes_away_is_gone_at_the_next_message(storage: Storage) -> None:
    host = Host(groups={"ada": frozenset({"staff"})})
    async with hosted(storage, host) as service:
        session = await opened(as_user(service, "ada"), "staff")
        async with service.socket(None, headers={"X-User": "ada", **OWN}) as socket:
            await say(socket, {"type": "message", "content": "1", "session_id": session})
            assert (await hear(socket))["content"] == "1"
            host.groups.clear()
            host.clock.advance(1)
            await say(socket, {"type": "message", "content": "2", "session_id": session})
            assert (await hear(socket))["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("becomes", [None, "bob"])
@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_socket_closes_when_the_host_s_session_is_over_or_another_user_s(
    storage: Storage, becomes: str | None, is_silent: bool
) -> None:
    host = Host()
    async with hosted(storage, host) as service, service.socket(None, headers={"X-User": "ada", **OWN}) as socket:
        host.aliases["ada"] = becomes
        host.clock.advance(1)
        if is_silent:
            await service.gb._services.sockets.confirm()
        else:
            await say(socket, {"type": "ping"})
        assert await close_code(socket) == 4401


async def test_a_failure_of_the_host_s_login_does_not_end_the_looking(storage: Storage) -> None:
    host = Host()
    async with hosted(storage, host) as service, service.socket(None, headers={"X-User": "ada", **OWN}) as socket:
        host.aliases["ada"] = "broken"
        host.clock.advance(1)
        await service.gb._services.sockets.confirm()
        host.aliases.clear()
        host.clock.advance(1)
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}
