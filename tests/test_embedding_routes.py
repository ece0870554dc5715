"""Mounts among a host's routes: siblings, other places, names, and FastAPI's router."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, NoMatchFound, Route

from tests.support.hosts import browser, new_service
from tests.support.promises import check_error
from tests.support.service import log_in

pytestmark = pytest.mark.anyio


async def mine(request: Request) -> PlainTextResponse:
    return PlainTextResponse("mine")


@pytest.mark.parametrize("ours_first", [True, False])
async def test_siblings_share_a_prefix(ours_first: bool) -> None:
    gb, _ = new_service()
    theirs = [Route(path, mine) for path in ("/api/session-other", "/api/sessions", "/api/session/a/b", "/api/bots/x")]
    ours = [gb.sessions, gb.bots]
    app = Starlette(routes=[*ours, *theirs] if ours_first else [*theirs, *ours])
    async with gb.lifespan(), browser(app) as client:
        for route in theirs:
            assert (await client.get(route.path)).text == "mine"
        check_error(await client.get("/api/session"), 401, "UNAUTHORIZED")
        check_error(await client.delete("/api/session/abc"), 401, "UNAUTHORIZED")
        check_error(await client.get("/api/bots/"), 401, "UNAUTHORIZED")
        for path in ("/", "/health", "/auth/login", "/api", "/api/users/me", "/api/session/a/b/c"):
            assert (await client.get(path)).text == "Not Found", path


async def test_mounts_are_entries_of_fastapis_router() -> None:
    gb, dev = new_service()
    app = FastAPI(lifespan=gb.lifespan)
    app.mount("/dev-directory", dev)
    app.router.routes.extend(gb.mounts)
    app.add_api_route("/api/session-other", lambda: "mine")
    async with app.router.lifespan_context(app), browser(app) as client:
        assert (await log_in(client, "alice")).status_code == 303
        for path in ("/api/session", "/api/users/me", "/api/bots", "/api/groups/list", "/health", "/ready"):
            assert (await client.get(path)).status_code == 200, path
            assert (await client.get(path + "/")).status_code == 200, path
        check_error(await client.get("/auth/logout"), 405, "METHOD_NOT_ALLOWED")
        assert (await client.get("/api/session-other")).json() == "mine"
        assert (await client.get("/api/nowhere")).json() == {"detail": "Not Found"}
        assert app.url_path_for("auth:login") == "/auth/login"
        assert set(app.openapi()["paths"]) == {"/api/session-other"}


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_mounts_work_below_a_mount_of_the_host(framework: Any) -> None:
    gb, dev = new_service()
    app = framework(routes=[Mount("/dev-directory", app=dev), Mount("/v2", routes=[gb.auth, gb.sessions, gb.health])])
    async with gb.lifespan(), browser(app) as client:
        check_error(await client.get("/v2/api/session"), 401, "UNAUTHORIZED")
        check_error(await client.get("/v2/api/session/"), 401, "UNAUTHORIZED")
        assert (await client.get("/v2/health")).status_code == 200
        assert (await client.get("/v2/api/bots")).status_code == 404
        assert (await log_in(client, "alice", "/v2/auth/login")).status_code == 303
        assert (await client.get("/v2/api/session")).status_code == 200


async def test_a_moved_mount_answers_there_and_only_there() -> None:
    gb, dev = new_service()
    app = Starlette(routes=[Mount("/dev-directory", app=dev), gb.auth.at("/login-here"), gb.bots.at("/v1/assistants")])
    async with gb.lifespan(), browser(app) as client:
        begun = await client.get("/login-here/login")
        assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Flogin-here%2Fcallback" in begun.headers["location"]
        check_error(await client.get("/v1/assistants"), 401, "UNAUTHORIZED")
        assert (await client.get("/auth/login")).text == "Not Found"
        assert (await client.get("/api/bots")).text == "Not Found"
        assert app.url_path_for("auth:login") == "/login-here/login"


async def test_a_mount_may_be_moved_to_the_root() -> None:
    gb, _ = new_service()
    app = Starlette(routes=[gb.sessions.at(""), Route("/other/place", mine)])
    async with gb.lifespan(), browser(app) as client:
        check_error(await client.get("/"), 401, "UNAUTHORIZED")
        check_error(await client.post("/create"), 401, "UNAUTHORIZED")
        assert (await client.get("/other/place")).text == "mine"


@pytest.mark.parametrize("prefix", ["v1", "/v1/", "/"])
def test_a_prefix_that_cannot_be_one_is_refused(prefix: str) -> None:
    gb, _ = new_service()
    with pytest.raises(ValueError, match="prefix"):
        gb.bots.at(prefix)


@pytest.mark.parametrize("prefix", ["bots", "bots/"])
def test_install_and_wrap_refuse_a_prefix_without_a_slash(prefix: str) -> None:
    gb, _ = new_service()
    with pytest.raises(ValueError, match="prefix"):
        gb.install(Starlette(), prefix)
    with pytest.raises(ValueError, match="prefix"):
        gb.wrap(PlainTextResponse("host"), prefix)


async def test_routes_have_names() -> None:
    gb, _ = new_service()
    urls: dict[str, str] = {}

    async def tell(request: Request) -> JSONResponse:
        urls["own"] = str(request.url_for("sessions:create"))
        return JSONResponse({})

    app = Starlette(routes=[*gb.mounts, Route("/tell", tell)])
    paths: list[tuple[str, dict[str, Any], str]] = [
        ("auth:login", {}, "/auth/login"),
        ("auth:callback", {}, "/auth/callback"),
        ("sessions:end", {"id": "a-1"}, "/api/session/a-1"),
        ("groups:members", {"id": "7"}, "/api/groups/7/members"),
        ("bots:list_bots", {}, "/api/bots"),
        ("health:health", {}, "/health"),
    ]
    for name, params, path in paths:
        assert app.url_path_for(name, **params) == path
    async with browser(app) as client:
        await client.get("/tell")
    assert urls["own"] == "http://127.0.0.1:8080/api/session/create"


@pytest.mark.parametrize(
    ("name", "params"), [("auth:nothing", {}), ("login", {}), ("sessions:end", {}), ("sessions:end", {"nr": "1"})]
)
def test_an_unknown_name_or_parameter_is_starlettes_own_error(name: str, params: dict[str, Any]) -> None:
    gb, _ = new_service()
    with pytest.raises(NoMatchFound):
        Starlette(routes=gb.mounts).url_path_for(name, **params)


async def test_names_are_found_below_the_prefix_of_an_installed_service() -> None:
    gb, _ = new_service()
    app = Starlette()
    gb.install(app, "/bots")
    assert app.url_path_for("auth:login") == "/bots/auth/login"
    with pytest.raises(NoMatchFound):
        app.url_path_for("auth:nothing")


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_an_app_installed_at_the_root_leaves_routes_that_come_later_alone(framework: Any) -> None:
    gb, _ = new_service()
    app = framework()
    gb.install(app)
    app.router.routes += [Route("/hello", mine), Route("/files/{path:path}", mine)]
    async with gb.lifespan(), browser(app) as client:
        assert (await client.get("/hello")).text == "mine"
        assert (await client.get("/files/health")).text == "mine"
        assert (await client.get("/health")).status_code == 200
        check_error(await client.get("/api/nowhere"), 401, "UNAUTHORIZED")
        check_error(await client.get("/nowhere"), 404, "NOT_FOUND")
