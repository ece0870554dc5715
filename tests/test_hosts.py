"""Inside other apps: the examples, prefixes, siblings, the lifespan, and errors that stay at home."""

from __future__ import annotations

import base64
import importlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport, AsyncWebSocketClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from tests.support.service import BASE, KEY, log_in, session_token

pytestmark = pytest.mark.anyio
EXAMPLES = "http://127.0.0.1:8000"


def new_service(**settings: Any) -> tuple[GeneralBots, DevDirectory]:
    dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=[KEY])
    directory = ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        for_development=True,
    )
    made = Settings(secret_keys=[KEY], **settings)
    return GeneralBots(made, storage=MemoryStorage(), directory=directory, bots=[EchoBot()]), dev


def browser(app: ASGIApp, base: str = BASE) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=base)


@asynccontextmanager
async def example(name: str) -> AsyncIterator[tuple[Any, httpx2.AsyncClient]]:
    """The module of an example and a browser in it, with its lifespan and the state that it yields."""
    module = importlib.import_module(f"examples.{name}")
    async with module.app.router.lifespan_context(module.app) as state:

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            await module.app({**scope, "state": dict(state or {})}, receive, send)

        async with browser(served, EXAMPLES) as client:
            yield module, client


async def chat(app: ASGIApp, base: str, path: str, token: str, session: str) -> str:
    async with (
        httpx2.AsyncClient(transport=ASGIWebSocketTransport(app=app), base_url=base) as client,
        AsyncWebSocketClient(client, keepalive_ping_interval_seconds=None).connect(
            base.replace("http", "ws") + path, headers={"Authorization": f"Bearer {token}"}
        ) as socket,
    ):
        await socket.send_text(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
        return str(json.loads(await socket.receive_text())["content"])


async def test_the_starlette_example_answers_at_its_own_paths() -> None:
    async with example("starlette_app") as (module, client):
        await log_in(client, "alice")
        assert (await client.get("/v1/assistants")).json()["bots"][0]["id"] == "echo"
        assert (await client.get("/v1/assistants/")).status_code == 200
        assert (await client.get("/api/bots")).text == "Not Found"  # the host's
        session = (await client.post("/api/session/create", json={"bot_id": "echo"})).json()["session_id"]
        assert await chat(module.app, EXAMPLES, "/ws", session_token(client), session) == "Hello"


async def test_the_fastapi_example_keeps_what_is_its_own() -> None:
    async with example("fastapi_app") as (module, client):
        assert (await client.get("/hello")).json() == "Hello from the app"
        assert (await client.get("/nope")).json() == {"problem": "not here"}
        ours = await client.get("/bots/nope", headers={"Origin": "https://shop.example"})
        assert ours.json()["error"]["code"] == "NOT_FOUND"
        assert ours.headers["access-control-allow-origin"] == "*" or "vary" in ours.headers
        callback = await log_in(client, "alice", "/bots/auth/login")
        assert (callback.status_code, callback.headers["location"]) == (303, "/bots/")
        for path in ("/bots", "/bots/"):
            assert '<base href="http://127.0.0.1:8000/bots/">' in (await client.get(path)).text
        session = (await client.post("/bots/api/session/create", json={"bot_id": "echo"})).json()["session_id"]
        assert await chat(module.app, EXAMPLES, "/bots/ws", session_token(client), session) == "Hello"


async def test_two_instances_know_nothing_of_each_other() -> None:
    async with example("two_instances") as (_, client):
        assert (await log_in(client, "alice", "/support/auth/login")).status_code == 303
        assert (await client.get("/support/api/bots")).json()["bots"][0]["id"] == "support"
        assert (await client.get("/sales/api/bots")).status_code == 401
        token = next(one.value for one in client.cookies.jar if one.name == "support_session")
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/sales/api/bots", headers=bearer)).status_code == 401
        assert (await log_in(client, "bob", "/sales/auth/login")).status_code == 303
        assert (await client.get("/support/api/bots")).json()["bots"][0]["id"] == "support"


async def test_a_host_may_bring_its_own_login() -> None:
    async with example("own_login") as (_, client):
        assert (await client.get("/api/bots")).status_code == 401
        client.headers["Authorization"] = "Basic " + base64.b64encode(b"ada:lovelace").decode()
        assert (await client.get("/api/session")).json()["user_id"] == "ada"
        opened = await client.post("/api/session/create", json={"bot_id": "echo"})
        assert opened.status_code == 201
        assert (await client.get("/api/admin/system/status")).json()["status"] == "healthy"
        assert (await client.get("/auth/login")).status_code == 404


async def test_the_bot_of_the_examples_keeps_notes() -> None:
    bot = importlib.import_module("examples.own_bot").Notebook()
    gb, dev = new_service()
    gb = GeneralBots(gb.settings, storage=MemoryStorage(), directory=gb._services.directory, bots=[bot])
    app = Starlette(routes=[Mount("/dev-directory", app=dev), Mount("/", app=gb)], lifespan=gb.lifespan)
    async with gb.lifespan(), browser(app) as client:
        await log_in(client, "alice")
        session = (await client.post("/api/session/create", json={"bot_id": "notebook"})).json()["session_id"]
        assert "0 notes" in await chat(app, BASE, "/ws", session_token(client), session)


@pytest.mark.parametrize("strips", [True, False])
async def test_a_prefix_behind_a_proxy(strips: bool) -> None:
    """A proxy that strips the prefix and one that does not, each told to the app by `root_path`."""
    gb, dev = new_service(public_url=f"{BASE}/bots")

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/dev-directory"):
            await dev({**scope, "root_path": "/dev-directory"}, receive, send)
            return
        path = scope["path"].removeprefix("/bots") if strips else scope["path"]
        await gb({**scope, "path": path, "root_path": "/bots"}, receive, send)

    async with gb.lifespan(), browser(proxied) as client:
        begun = await client.get("/bots/auth/login")
        assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fbots%2Fauth%2Fcallback" in begun.headers["location"]
        assert (await log_in(client, "alice", "/bots/auth/login")).status_code == 303
        assert (await client.get("/bots/api/session")).status_code == 200


async def test_an_error_of_ours_never_reaches_the_handlers_of_the_host() -> None:
    class Broken(MemoryStorage):
        async def ping(self) -> None:
            raise OSError("the disk is gone")

    seen: list[Exception] = []

    async def handler(request: Request, error: Exception) -> JSONResponse:
        seen.append(error)
        return JSONResponse({"host": "error"}, 500)

    async def fails(request: Request) -> JSONResponse:
        raise KeyError("the host's own")

    gb, _ = new_service()
    gb = GeneralBots(gb.settings, storage=Broken(), directory=gb._services.directory)
    app = Starlette(
        routes=[gb.health, gb.auth, Route("/fails", fails)],
        exception_handlers={Exception: handler, 404: handler, 401: handler},
        lifespan=gb.lifespan,
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with gb.lifespan(), httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["error"]["code"]) == (500, "SERVER_ERROR")
        assert "disk" not in ready.text
        assert ready.json()["error"]["details"] == {"request_id": ready.headers["x-request-id"]}
        assert (await client.post("/auth/logout")).json()["error"]["code"] == "UNAUTHORIZED"
        assert seen == []
        assert (await client.get("/fails")).json() == {"host": "error"}
        assert (await client.get("/elsewhere")).json() == {"host": "error"}


async def test_siblings_may_share_a_prefix() -> None:
    async def mine(request: Request) -> PlainTextResponse:
        return PlainTextResponse("mine")

    gb, _ = new_service()
    app = Starlette(routes=[gb.sessions, Route("/api/session-other", mine), Route("/api/bots", mine)])
    async with gb.lifespan(), browser(app) as client:
        assert (await client.get("/api/session")).status_code == 401
        assert (await client.get("/api/session-other")).text == "mine"
        assert (await client.get("/api/bots")).text == "mine"
        assert app.url_path_for("sessions:end", id="7") == "/api/session/7"


class RawHost:
    """An ASGI app without a framework; `speaks` tells whether it knows the lifespan protocol."""

    def __init__(self, *, speaks: bool) -> None:
        self.speaks = speaks
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if not self.speaks:
                raise RuntimeError("I know no lifespan")
            for event in ("startup", "shutdown"):
                await receive()
                self.events.append(event)
                await send({"type": f"lifespan.{event}.complete"})
            return
        await PlainTextResponse("host")(scope, receive, send)


@pytest.mark.parametrize("speaks", [True, False])
async def test_wrap_serves_any_host_and_lives_as_long_as_it(speaks: bool) -> None:
    gb, _ = new_service()
    host = RawHost(speaks=speaks)
    app = gb.wrap(host, "/bots")
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[str] = []

    async def receive() -> dict[str, str]:
        if len(inbox) == 1:  # started: now is the time to ask
            async with browser(app) as client:
                assert (await client.get("/bots/health")).status_code == 200
                assert (await client.get("/bots")).status_code == 200
                assert (await client.get("/botsy")).text == "host"
                assert (await client.get("/")).text == "host"
        return inbox.pop(0)

    async def send(message: Any) -> None:
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert host.events == (["startup", "shutdown"] if speaks else [])


async def test_a_forgotten_lifespan_starts_at_the_first_request_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gb, _ = new_service()
    with caplog.at_level(logging.WARNING):
        async with browser(gb) as client:
            for _ in range(3):
                assert (await client.get("/health")).status_code == 200
    warnings = [record.message for record in caplog.records if "lifespan" in record.message]
    assert len(warnings) == 1
    assert "gb.install(app)" in warnings[0]
    async with gb.lifespan():
        pass  # and it can be closed by whoever remembers


async def test_the_lifespan_is_counted() -> None:
    gb, _ = new_service()
    async with browser(gb) as client, gb.lifespan():
        async with gb.lifespan():
            assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/ready")).status_code == 200
