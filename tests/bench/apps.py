"""What is measured: our service, a bare Starlette route, and requests to them in process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from generalbots_api import Bot, EchoBot, GeneralBots, Settings
from generalbots_api.auth.model import Grant, Login, Secret, Standing
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.jose import TokenVault
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.ids import LoginId, SessionToken, UserId, hash_token, new_id, new_session_token
from generalbots_api.storage import Storage

KEY = "a key of the benchmarks, 32 bytes and more"
BASE = "http://127.0.0.1:8080"
PLENTY = 10**9
PATH = "/api/session"
ROUTES = 20
SESSION = {
    "session_id": "IhWVr0uhpfXrqwBLU3P8cQ",
    "user_id": "200000000000000001",
    "bot_id": None,
    "created_at": "2026-11-24T10:08:15.645187Z",
    "expires_at": "2026-11-24T11:08:15.645187Z",
}


def new_service(
    storage: Storage | None = None,
    *,
    limit: int = PLENTY,
    bots: Sequence[Bot] = (EchoBot(),),
    parts: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> GeneralBots:
    """A service whose logins never ask the Directory within the time of a benchmark.

    `parts` are limiter and bus; `options` are settings.
    """
    dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=[KEY])
    directory = ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        for_development=True,
    )
    settings = Settings(secret_keys=[KEY], limit_anonymous=limit, limit_user=limit, limit_admin=limit, **options)
    return GeneralBots(settings, storage=storage or MemoryStorage(), directory=directory, bots=bots, **parts)


def a_login(id: str, token: str, user_id: str, sealed_grant: bytes = b"sealed") -> Login:
    """A live login session, as `/auth/callback` makes one."""
    now = datetime.now(UTC)
    return Login(
        id=LoginId(id),
        token_hash=hash_token(token),
        user_id=UserId(user_id),
        created_at=now,
        last_seen_at=now,
        ends_at=now + timedelta(hours=12),
        sealed_grant=sealed_grant,
        standing=Standing(roles=frozenset({"user"})),
        standing_at=now,
    )


async def add_login(storage: Storage, user: int = 0) -> SessionToken:
    """One more of them, the first with a grant that can be opened."""
    id, token = LoginId(new_id()), new_session_token()
    sealed = TokenVault([KEY.encode()]).seal(Grant(access_token=Secret("x")), id) if user == 0 else b"sealed"
    await storage.logins.open(a_login(id, token, f"2{user:017}", sealed), 20)
    return token


@asynccontextmanager
async def running(storage: Storage | None = None, *, limit: int = PLENTY) -> AsyncIterator[tuple[GeneralBots, Storage]]:
    storage = storage or MemoryStorage()
    gb = new_service(storage, limit=limit)
    async with gb.lifespan():
        yield gb, storage


def bare_starlette() -> Starlette:
    """A JSON route, the eleventh of twenty, without login or limit."""

    async def route(request: Request) -> JSONResponse:
        return JSONResponse(SESSION)

    routes = [Route(f"/api/route{number}", route) for number in range(ROUTES - 1)]
    routes.insert(ROUTES // 2, Route(PATH, route))
    return Starlette(routes=routes)


def new_scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8080"),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) benchmark"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"accept-language", b"en"),
            (b"connection", b"keep-alive"),
            *headers,
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8080),
    }


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def expecting(status: int = 200) -> Callable[[Any], Awaitable[None]]:
    """Takes an answer and checks its status: a benchmark of errors would be fast."""

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] != status:
            raise RuntimeError(f"answered {message['status']}, not {status}")

    return send


async def check_answer(app: ASGIApp, scope: dict[str, Any]) -> None:
    """What is measured is the whole answer: the session, and the headers that tell of the limit.

    Raises RuntimeError if not.
    """
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    names = {name for name, _ in messages[0]["headers"]}
    wanted = {b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset", b"ratelimit", b"ratelimit-policy"}
    if not wanted <= names or json.loads(messages[1]["body"]).keys() != SESSION.keys():
        raise RuntimeError(f"not the whole answer: {messages}")
