"""Behind proxies and below prefixes: every host, each way of telling the prefix, one right redirect_uri."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api import GeneralBots
from tests.support.hosts import browser, chat, new_service
from tests.support.promises import check_error
from tests.support.service import BASE, log_in, session_token

pytestmark = pytest.mark.anyio
PROXY = "/proxy/a"  # a prefix of two segments, and the beginning of other paths


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("host")(scope, receive, send)


def installed(app: Any) -> Callable[[GeneralBots], ASGIApp]:
    def host(gb: GeneralBots) -> ASGIApp:
        made: ASGIApp = app()
        gb.install(made, "/apps/bots")
        return made

    return host


HOSTS: dict[str, tuple[str, Callable[[GeneralBots], ASGIApp]]] = {
    "bare": ("", lambda gb: gb),
    "mounted": ("/apps/bots", lambda gb: Starlette(routes=[Mount("/apps/bots", app=gb)])),
    "nested": ("/apps/bots", lambda gb: Starlette(routes=[Mount("/apps", routes=[Mount("/bots", app=gb)])])),
    "mounts": ("/apps/bots", lambda gb: Starlette(routes=[Mount("/apps/bots", routes=[*gb.mounts])])),
    "installed": ("/apps/bots", installed(Starlette)),
    "fastapi": ("/apps/bots", installed(FastAPI)),
    "fastapi mount": ("/apps/bots", lambda gb: FastAPI(routes=[Mount("/apps/bots", app=gb)])),
    "wrapped": ("/apps/bots", lambda gb: gb.wrap(plain, "/apps/bots")),
    "wrapped twice": ("/apps/bots", lambda gb: Starlette(routes=[Mount("/apps", app=gb.wrap(plain, "/bots"))])),
}
PROXIES: dict[str, Callable[[str], dict[str, str]]] = {
    "none": lambda path: {"path": path, "root_path": ""},
    "strips": lambda path: {"path": path.removeprefix(PROXY), "root_path": PROXY},
    "strips, slash": lambda path: {"path": path.removeprefix(PROXY), "root_path": PROXY + "/"},
    "keeps": lambda path: {"path": path, "root_path": PROXY},  # also what uvicorn --root-path makes of a stripped one
}
CASES = [
    (host, proxy)
    for host in HOSTS
    for proxy in PROXIES
    # Starlette's own `Mount` does not find a mount in a mount below a stripped prefix, and doubles the slash
    if not (host == "nested" and proxy.startswith("strips"))
    and not (proxy == "strips, slash" and host not in ("bare", "installed", "fastapi", "wrapped"))
]


def outside(app: ASGIApp, dev: ASGIApp, proxy: str) -> ASGIApp:
    """What browsers reach: the directory, and the host behind its proxy."""

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/dev-directory"):
            await dev({**scope, "root_path": "/dev-directory"}, receive, send)
        else:
            await app({**scope, **PROXIES[proxy](scope["path"])}, receive, send)

    return front


def redirect_uri(location: str) -> str:
    return parse_qs(urlsplit(location).query)["redirect_uri"][0]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("host", "proxy"), CASES)
async def test_a_login_and_a_chat_work_under_every_host_and_proxy(host: str, proxy: str, slash: str) -> None:
    gb, dev = new_service()
    below, make = HOSTS[host]
    app = outside(make(gb), dev, proxy)
    prefix = below if proxy == "none" else PROXY + below
    async with gb.lifespan(), browser(app) as client:
        begun = await client.get(f"{prefix}/auth/login{slash}")
        assert redirect_uri(begun.headers["location"]) == f"{BASE}{prefix}/auth/callback"
        assert (await log_in(client, "alice", f"{prefix}/auth/login{slash}")).status_code == 303
        opened = await client.post(f"{prefix}/api/session/create{slash}", json={"bot_id": "echo"})
        assert opened.status_code == 201
        answer = await chat(app, f"{prefix}/ws{slash}", session_token(client), opened.json()["session_id"])
        assert answer == "Hello"
        check_error(await client.delete(f"{prefix}/api/session/unknown{slash}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(("host", "proxy"), [case for case in CASES if case[0] != "mounts"])
async def test_unknown_paths_are_ours_to_answer_below_the_prefix(host: str, proxy: str) -> None:
    gb, dev = new_service()
    below, make = HOSTS[host]
    prefix = below if proxy == "none" else PROXY + below
    async with gb.lifespan(), browser(outside(make(gb), dev, proxy)) as client:
        check_error(await client.get(f"{prefix}/api/nowhere"), 401, "UNAUTHORIZED")
        check_error(await client.get(f"{prefix}/apis"), 404, "NOT_FOUND")


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("host", ["installed", "fastapi", "wrapped"])
async def test_the_bare_prefix_is_answered_without_a_redirect(host: str, proxy: str) -> None:
    gb, dev = new_service()
    below, make = HOSTS[host]
    prefix = below if proxy == "none" else PROXY + below
    async with gb.lifespan(), browser(outside(make(gb), dev, proxy)) as client:
        for path in (prefix, f"{prefix}/"):
            page = await client.get(path)
            assert page.status_code == 200
            assert f'<base href="{BASE}{prefix}/">' in page.text


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_public_url_wins_also_where_a_proxy_tells_nothing(host: str, slash: str) -> None:
    """A proxy at https://app.example/x strips its prefix, changes the host and the scheme, and says so nowhere."""
    below, make = HOSTS[host]
    gb, _ = new_service(public_url=f"https://app.example/x{below}{slash}")
    async with gb.lifespan(), browser(make(gb), base="http://10.0.0.7:9000") as client:
        begun = await client.get(f"{below}/auth/login")
        assert redirect_uri(begun.headers["location"]) == f"https://app.example/x{below}/auth/callback"


@pytest.mark.parametrize("path", ["/apps/botsy/health", "/apps", "/apps/bot", "/health", "/api/session"])
async def test_what_only_begins_like_the_prefix_is_the_hosts(path: str) -> None:
    gb, _ = new_service()
    app = Starlette()
    gb.install(app, "/apps/bots/")
    app.router.routes.append(Route("/{path:path}", PlainTextResponse("host")))
    for host in (app, gb.wrap(plain, "/apps/bots/")):
        for root in ("", "/a", "/apps/bo"):
            async with gb.lifespan(), browser(host, root_path=root) as client:
                assert (await client.get(path)).text == "host", (host, root)


async def test_fastapis_own_root_path_is_understood() -> None:
    gb, dev = new_service()
    app = FastAPI()
    app.root_path = PROXY
    gb.install(app, "/bots")

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["path"].removeprefix(PROXY)}, receive, send)

    async with gb.lifespan(), browser(outside(proxied, dev, "none")) as client:
        assert (await log_in(client, "alice", f"{PROXY}/bots/auth/login")).status_code == 303
        assert (await client.get(f"{PROXY}/bots/api/session")).status_code == 200
