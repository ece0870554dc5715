"""In a host's app: whose errors are whose, and what the host's middleware, CORS and routing do around us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse

from tests.support.hosts import browser, chat, new_service, served, with_state
from tests.support.promises import check_error
from tests.support.service import log_in, session_token

pytestmark = pytest.mark.anyio
SHOP = "https://shop.example"


class Broken:
    """A catalog whose database is gone."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*args: object) -> Any:
            raise LookupError("the password is swordfish")

        return fail


class Host:
    """A FastAPI app with a lifespan, middleware, CORS and handlers of its own, and ours at /bots."""

    def __init__(self, install_first: bool = False, **options: Any) -> None:
        self.gb, self.dev = new_service(after_login="/bots/", **options)
        self.seen: list[str] = []
        self.app = FastAPI(lifespan=self._lifespan)
        self.app.add_middleware(CORSMiddleware, allow_origins=[SHOP], allow_credentials=True)
        self.app.add_middleware(GZipMiddleware, minimum_size=1)
        self.app.middleware("http")(self._middleware)
        for kind in (Exception, LookupError, HTTPException, RequestValidationError, 404, 405, 401, 500):
            self.app.add_exception_handler(kind, self._handler)
        self.app.mount("/dev-directory", self.dev)
        if install_first:
            self.gb.install(self.app, "/bots")
        self.app.add_api_route("/number/{n}", self._number)
        self.app.add_api_route("/fails", self._fails)
        if not install_first:
            self.gb.install(self.app, "/bots")

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[dict[str, str]]:
        self.seen.append("up")
        yield {"greeting": "hello"}
        self.seen.append("down")

    async def _middleware(self, request: Request, next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await next(request)
        response.headers["X-Host"] = "host"
        return response

    async def _handler(self, request: Request, error: Exception) -> Response:
        self.seen.append(type(error).__name__)
        return JSONResponse({"problem": type(error).__name__}, getattr(error, "status_code", 500))

    async def _number(self, n: int, request: Request) -> str:
        return f"{request.state.greeting} {n}"

    async def _fails(self) -> None:
        raise LookupError("the host's own")


@asynccontextmanager
async def running(host: Host) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(host.app) as hand, browser(with_state(host.app, hand.state), raises=False) as client:
        assert hand.said == ["lifespan.startup.complete"]
        yield client


@pytest.mark.parametrize("install_first", [True, False])
async def test_the_host_keeps_its_lifespan_its_routes_and_its_errors(install_first: bool) -> None:
    host = Host(install_first)
    async with running(host) as client:
        assert (await client.get("/number/7")).json() == "hello 7"
        for path, status, name in (
            ("/nowhere", 404, "HTTPException"),
            ("/botsy", 404, "HTTPException"),
            ("/api/session", 404, "HTTPException"),
            ("/number/x", 500, "RequestValidationError"),
            ("/fails", 500, "LookupError"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (status, {"problem": name}), path
        assert (await client.get("/openapi.json")).json()["paths"].keys() == {"/number/{n}", "/fails"}
        assert (await client.get("/docs")).status_code == 200
    assert (host.seen[0], host.seen[-1]) == ("up", "down")


async def test_errors_of_ours_keep_their_format_and_do_not_reach_the_host() -> None:
    host = Host()
    async with running(host) as client:
        check_error(await client.get("/bots/nowhere"), 404, "NOT_FOUND")
        check_error(await client.get("/bots/api/session"), 401, "UNAUTHORIZED")
        check_error(await client.get("/bots/api/nowhere"), 401, "UNAUTHORIZED")
        check_error(await client.post("/bots/health"), 405, "METHOD_NOT_ALLOWED")
        await log_in(client, "alice", "/bots/auth/login")
        check_error(await client.get("/bots/api/nowhere"), 404, "NOT_FOUND")
        check_error(await client.get("/bots/api/groups/list?limit=x"), 400, "INVALID_REQUEST")
        check_error(await client.post("/bots/api/session/create", json={}), 400, "INVALID_REQUEST")
        check_error(await client.post("/bots/api/session/create", content=b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE")
        check_error(await client.get("/bots/api/admin/system/status"), 403, "FORBIDDEN")
        assert host.seen == ["up"]


async def test_a_handler_of_ours_that_raises_is_500_in_our_format() -> None:
    host = Host(bots=Broken())
    async with running(host) as client:
        await log_in(client, "alice", "/bots/auth/login")
        answer = await client.get("/bots/api/bots", headers={"Origin": SHOP})
        check_error(answer, 500, "SERVER_ERROR")
        assert "swordfish" not in answer.text
        assert answer.headers["access-control-allow-origin"] == SHOP  # the host's CORS, also on our errors
        assert host.seen == ["up"]


async def test_the_hosts_middleware_and_cors_are_around_us() -> None:
    host = Host()
    async with running(host) as client:
        await log_in(client, "alice", "/bots/auth/login")
        for path in ("/bots/api/bots", "/bots/nowhere", "/bots/health", "/bots"):
            answer = await client.get(path, headers={"Origin": SHOP})
            assert answer.headers["x-host"] == "host"
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers.get_list("access-control-allow-origin") == [SHOP]
            assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
            assert answer.headers["x-request-id"]
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
        assert (await client.options("/bots/api/bots", headers=asked)).status_code == 200
        opened = await client.post("/bots/api/session/create", json={"bot_id": "echo"})
        assert opened.status_code == 201
        head = await client.head("/bots/health")
        assert (head.status_code, head.content) == (200, b"")
        assert await chat(host.app, "/bots/ws", session_token(client), opened.json()["session_id"]) == "Hello"


async def test_a_client_that_goes_away_while_sending_does_not_reach_the_hosts_handlers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = Host()
    async with running(host) as client:
        await log_in(client, "alice", "/bots/auth/login")
        headers = [(b"authorization", f"Bearer {session_token(client)}".encode()), (b"host", b"127.0.0.1:8080")]
        scope = {
            **{"type": "http", "method": "POST", "path": "/bots/api/session/create", "query_string": b""},
            **{"headers": [*headers, (b"content-type", b"application/json")], "root_path": ""},
            **{"scheme": "http", "http_version": "1.1", "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 5)},
        }

        async def receive() -> dict[str, str]:
            return {"type": "http.disconnect"}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await host.app(scope, receive, send)
        assert host.seen == ["up"]
