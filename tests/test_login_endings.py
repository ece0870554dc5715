"""The end of a login: what it takes back at the Directory, what it closes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from httpx2 import AsyncClient as Client

from generalbots_api import BotInfo, Piece, Turn
from generalbots_api.auth import revocations
from generalbots_api.auth.revocations import Revocations
from generalbots_api.backends.memory import MemoryBus, MemoryStorage
from generalbots_api.storage import Storage
from tests.support.nodes import SILENT, nodes
from tests.support.promises import check_error, close_code, opened, say, token_of
from tests.support.service import Service, log_in, running_service, session_token
from tests.support.wire import Wire, hangs_up, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

REVOKE = "/revoke"
DAY = 86_400


@asynccontextmanager
async def wired(storage: Storage) -> AsyncIterator[tuple[Service, Wire]]:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        yield service, wire


def worker(service: Service) -> Revocations:
    found = service.gb._services.revocations
    assert found is not None
    return found


# At the Directory


async def test_logout_takes_back_the_refresh_token_then_the_access_token(storage: Storage) -> None:
    async with wired(storage) as (service, wire):
        alice = await service.bearer("alice")
        assert (await alice.post("/auth/logout")).json()["directory_revoked"] is True
        kinds = [form["token_type_hint"] for path, form in wire.calls if path.endswith(REVOKE)]
        assert kinds == ["refresh_token", "access_token"]
        assert await worker(service).try_next() is False


async def test_the_logout_url_has_a_state_of_its_own_each_time(service: Service) -> None:
    states = []
    for _ in range(2):
        alice = await service.bearer("alice")
        url = (await alice.post("/auth/logout")).json()["logout_url"]
        query = parse_qs(urlsplit(url).query)
        assert query["post_logout_redirect_uri"] == ["http://127.0.0.1:8080/"]
        assert query["client_id"] == [service.dev.client_id]
        assert query["id_token_hint"]
        states += query["state"]
    assert len(set(states)) == 2


TROUBLE = {"503": status(503), "refused": hangs_up, "nonsense": status(404), "our client": status(401)}


@pytest.mark.parametrize("trouble", list(TROUBLE))
async def test_a_directory_that_does_not_confirm_is_asked_again_behind_the_scenes(
    storage: Storage, trouble: str
) -> None:
    async with wired(storage) as (service, wire):
        alice = await service.bearer("alice")
        wire.answers[REVOKE] = TROUBLE[trouble]
        answer = (await alice.post("/auth/logout")).json()
        assert (answer["success"], answer["directory_revoked"]) == (True, False)
        assert answer["logout_url"] is not None  # the browser may end its session there all the same
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
        wire.answers.clear()
        assert await worker(service).try_next() is False  # not yet due
        service.clock.advance(5)
        assert await worker(service).try_next() is True
        service.clock.advance(DAY)
        assert await worker(service).try_next() is False


async def test_what_was_not_confirmed_outlives_a_restart(storage: Storage) -> None:
    async with wired(storage) as (service, wire):
        alice = await service.bearer("alice")
        wire.answers[REVOKE] = status(503)
        await alice.post("/auth/logout")
        clock, dev = service.clock, service.dev
    clock.advance(10)
    wire = Wire()
    async with running_service(storage=storage, wire=wire, clock=clock, dev=dev) as service:
        assert await worker(service).try_next() is True
        assert wire.count(REVOKE, token_type_hint="refresh_token") == 1


async def test_a_logout_that_is_cut_off_is_carried_through_after_the_restart(storage: Storage) -> None:
    async with wired(storage) as (service, wire):
        alice = await service.bearer("alice")
        is_asked, _ = wire.hold(REVOKE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alice.post, "/auth/logout")
            await is_asked.wait()
            tasks.cancel_scope.cancel()  # as with the process
        clock, dev = service.clock, service.dev
    clock.advance(30)
    wire = Wire()
    async with running_service(storage=storage, wire=wire, clock=clock, dev=dev) as service:
        assert await worker(service).try_next() is True
        assert wire.count(REVOKE, token_type_hint="refresh_token") == 1


async def test_tries_come_further_and_further_apart_and_end_after_a_day(caplog: pytest.LogCaptureFixture) -> None:
    async with wired(MemoryStorage()) as (service, wire):
        alice = await service.bearer("alice")
        wire.answers[REVOKE] = status(503)
        await alice.post("/auth/logout")
        started, tried, known = service.clock.unix(), [], wire.count(REVOKE)
        while service.clock.unix() < started + DAY + 3_600:
            service.clock.advance(5)
            await worker(service).try_next()
            if wire.count(REVOKE) > known:
                known = wire.count(REVOKE)
                tried.append(round(service.clock.unix() - started))
        gaps = [later - earlier for earlier, later in zip([0, *tried], tried, strict=False)]
        assert gaps[:5] == [5, 10, 20, 40, 80]
        assert max(gaps) == 900
        assert DAY - 1_800 < tried[-1] < DAY
        assert [record.message for record in caplog.records].count("auth.revoke_given_up") == 1


async def test_a_directory_that_hangs_does_not_hold_up_the_answer(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "AT_ONCE_TIMEOUT", 0.01)  # seconds; for the test to be short
    async with wired(storage) as (service, wire):
        alice, other = await service.bearer("alice"), await service.bearer("alice")
        _, go_on = wire.hold(REVOKE)
        assert (await alice.post("/auth/logout")).json()["directory_revoked"] is False
        answer = (await other.delete("/api/users/me/sessions")).json()
        assert (answer["ended"], answer["directory_revoked"]) == (1, False)
        go_on.set()
        service.clock.advance(30)
        assert [await worker(service).try_next() for _ in range(3)] == [True, True, False]


async def test_one_failure_ends_the_round_so_that_a_directory_that_is_down_is_left_alone(storage: Storage) -> None:
    async with wired(storage) as (service, wire):
        clients = [await service.bearer("alice") for _ in range(3)]
        wire.answers[REVOKE] = status(503)
        for client in clients:
            await client.post("/auth/logout")
        service.clock.advance(5)
        before = wire.count(REVOKE)
        while await worker(service).try_next():
            pass
        assert wire.count(REVOKE) == before + 1


async def test_a_provider_that_cannot_revoke_is_not_asked_for_ever(storage: Storage) -> None:
    def without(request: httpx2.Request) -> httpx2.Response:
        issuer = str(request.url).partition("/.well-known")[0]
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        paths = ("/oauth/v2/authorize", "/oauth/v2/token", "/oidc/v1/userinfo", "/oauth/v2/keys")
        document = {name: issuer + path for name, path in zip(names, paths, strict=True)}
        algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
        return httpx2.Response(200, json={"issuer": issuer, **document, **algorithms}, request=request)

    wire = Wire()
    wire.answers["/openid-configuration"] = without
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        answer = (await alice.post("/auth/logout")).json()
        assert (answer["directory_revoked"], answer["logout_url"]) == (False, None)
        service.clock.advance(DAY)
        assert await worker(service).try_next() is False


async def test_a_session_whose_key_is_gone_can_still_be_ended(storage: Storage) -> None:
    async with running_service(storage=storage, settings=SILENT) as service:
        token = await service.token("alice")
        clock, dev = service.clock, service.dev
    other = {**SILENT, "secret_keys": ["another key, of 32 bytes and more, too"]}
    async with running_service(storage=storage, settings=other, clock=clock, dev=dev) as service:
        alice = service.client(headers={"Authorization": f"Bearer {token}"})
        answer = (await alice.post("/auth/logout")).json()
        assert (answer["success"], answer["directory_revoked"], answer["logout_url"]) == (True, False, None)
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_sessions_that_make_room_are_taken_back_too(storage: Storage) -> None:
    wire = Wire()
    settings = {**SILENT, "sessions_per_user": 1}
    async with running_service(storage=storage, wire=wire, settings=settings) as service:
        await service.token("alice")
        browser = await service.log_in("alice")  # in place of the first
        await log_in(browser, "alice")  # in place of the browser's own
        while await worker(service).try_next():
            pass
        assert wire.count(REVOKE, token_type_hint="refresh_token") == 2


# What it closes, and what it leaves alone


async def by_logout(service: Service, browser: Client) -> None:
    await browser.post("/auth/logout")


async def by_its_id(service: Service, browser: Client) -> None:
    id = (await browser.get("/api/session")).json()["session_id"]
    await browser.delete(f"/api/session/{id}")


async def by_leaving_everywhere(service: Service, browser: Client) -> None:
    await browser.delete("/api/users/me/sessions")


async def by_a_new_login(service: Service, browser: Client) -> None:
    await log_in(browser, "alice")


async def by_the_directory_naming_the_user(service: Service, browser: Client) -> None:
    await tell(service, service.dev.logout_token("alice"))


async def by_the_directory_naming_the_session(service: Service, browser: Client) -> None:
    (login,) = await service.storage.logins.of_user(service.dev.user_id("alice"))  # type: ignore[arg-type] # a UserId
    await tell(service, service.dev.logout_token("alice", login.directory_session, sub=None))


async def by_a_refused_refresh(service: Service, browser: Client) -> None:
    service.dev.revoke_everything()
    await browser.get("/api/users/me")


async def by_being_deactivated(service: Service, browser: Client) -> None:
    service.dev.deactivate("alice")
    service.clock.advance(301)
    await browser.get("/api/session")


async def by_expiry(service: Service, browser: Client) -> None:
    service.clock.advance(3_601)
    await service.gb._services.sockets.sweep()


async def tell(service: Service, logout_token: str) -> None:
    async with service.client() as directory:
        answer = await directory.post("/auth/backchannel-logout", data={"logout_token": logout_token})
    assert answer.status_code == 200, answer.text


End = Callable[[Service, Client], Awaitable[None]]
ENDS: list[End] = [
    *(by_logout, by_its_id, by_leaving_everywhere, by_a_new_login, by_the_directory_naming_the_user),
    *(by_the_directory_naming_the_session, by_a_refused_refresh, by_being_deactivated, by_expiry),
]


@dataclass
class SlowBot:
    """Says a word, and the rest when it is told."""

    info: BotInfo = BotInfo("slow", "Slow", "Takes its time.")
    begun: anyio.Event = field(default_factory=anyio.Event)
    go_on: anyio.Event = field(default_factory=anyio.Event)

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        yield "Well,"
        self.begun.set()
        await self.go_on.wait()
        yield " hello."


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_the_end_closes_the_sockets_and_cancels_nothing_that_was_taken(storage: Storage, end: End) -> None:
    bot = SlowBot()
    async with running_service(storage=storage, bots=[bot]) as service:
        browser = await service.log_in("alice")
        session = await opened(browser, "slow")
        async with service.socket(session_token(browser)) as socket:
            await say(socket, {"type": "message", "content": "Hello", "session_id": session})
            await bot.begun.wait()
            await end(service, browser)
            assert await close_code(socket) == 4401
        bot.go_on.set()
        service.dev.activate("alice")
        again = await service.bearer("alice")
        told: list[dict[str, str]] = []
        while len(told) < 2 or told[1]["status"] == "streaming":
            await anyio.lowlevel.checkpoint()
            told = (await again.get(f"/api/conversations/{session}/history")).json()["messages"]
        assert [(one["content"], one["status"]) for one in told] == [
            ("Hello", "completed"),
            ("Well, hello.", "completed"),
        ]


@pytest.mark.parametrize("end", ENDS[:3], ids=lambda end: end.__name__)
async def test_the_end_closes_the_sockets_on_every_node(storage: Storage, end: End) -> None:
    async with nodes(storage, 2, bus=MemoryBus()) as all:
        browser = await all.services[0].log_in("alice")
        async with all.services[1].socket(session_token(browser)) as socket:
            await end(all.services[0], browser)
            assert await close_code(socket) == 4401


async def test_a_socket_that_missed_the_news_closes_when_it_is_looked_at(storage: Storage) -> None:
    async with nodes(storage, 2) as all:  # with no bus between them
        alice = await all.services[0].bearer("alice")
        async with all.services[1].socket(token_of(alice)) as socket:
            await alice.post("/auth/logout")
            all.clock.advance(2)
            await all.services[1].gb._services.sockets.confirm()
            assert await close_code(socket) == 4401


@pytest.mark.parametrize("path", ["/ws", "/ws?session_id="])
async def test_a_login_that_ends_during_the_handshake_leaves_no_socket_open(storage: Storage, path: str) -> None:
    async with running_service(storage=storage) as service:
        alice = await service.bearer("alice")
        query = f"session_id={await opened(alice)}" if "?" in path else ""
        events = iter(["websocket.connect"])
        sent: list[dict[str, object]] = []
        gone = anyio.Event()

        async def receive() -> dict[str, object]:
            """The client's side: between the look at its token and the answer, it logs out elsewhere."""
            for kind in events:
                await alice.post("/auth/logout")
                return {"type": kind}
            await gone.wait()
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)
            if message["type"] == "websocket.close":
                gone.set()

        scope = {
            **{"type": "websocket", "asgi": {"version": "3.0"}, "scheme": "ws", "root_path": "", "subprotocols": []},
            **{
                "path": "/ws",
                "query_string": query.encode(),
                "client": ("127.0.0.1", 5),
                "server": ("127.0.0.1", 8080),
            },
            "headers": [(b"host", b"127.0.0.1:8080"), (b"authorization", f"Bearer {token_of(alice)}".encode())],
        }
        with anyio.fail_after(5):
            await service.app(scope, receive, send)  # type: ignore[arg-type] # Starlette's types of ASGI
        assert [one["type"] for one in sent] == ["websocket.accept", "websocket.close"]
        assert sent[-1]["code"] == 4401
        assert service.gb._services.sockets.count == 0
