"""A whole service in process, on memory and the development directory, through the production client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2
from httpx2.websockets import ASGIWebSocketTransport, AsyncWebSocketClient, AsyncWebSocketSession
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from generalbots_api import BotAccess, BotCatalog, BotInfo, EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock

BASE = "http://127.0.0.1:8080"
KEY = "a secret key of the tests, 32 bytes and more"


def staff_bot() -> EchoBot:
    """For admins, and for the group `staff`, in which alice is."""
    access = BotAccess(roles=frozenset({"admin"}), groups=frozenset({"staff"}))
    return EchoBot(BotInfo("staff", "Staff desk", "For people who work here.", access))


@dataclass(slots=True)
class Service:
    """One service, and its directory."""

    gb: GeneralBots
    dev: DevDirectory
    clock: ManualClock
    app: ASGIApp
    storage: Storage

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """A browser without a login: cookies are kept, redirects not followed."""
        transport = httpx2.ASGITransport(app=self.app, client=options.pop("address", ("127.0.0.1", 50_000)))
        return httpx2.AsyncClient(transport=transport, base_url=options.pop("base_url", BASE), **options)

    async def log_in(self, username: str, client: httpx2.AsyncClient | None = None) -> httpx2.AsyncClient:
        """A browser that has logged in by the directory's page."""
        client = client or self.client()
        answer = await log_in(client, username)
        assert answer.status_code == 303, answer.text
        return client

    async def token(self, username: str) -> str:
        """The session token of a new login."""
        async with self.client() as client:
            await self.log_in(username, client)
            return session_token(client)

    async def bearer(self, username: str) -> httpx2.AsyncClient:
        """A client without cookies that sends the token of a new login."""
        return self.client(headers={"Authorization": f"Bearer {await self.token(username)}"})

    @asynccontextmanager
    async def socket(
        self, token: str | None, path: str = "/ws", **options: Any
    ) -> AsyncIterator[AsyncWebSocketSession]:
        """A socket; `token` None: without an Authorization header."""
        headers = {**({"Authorization": f"Bearer {token}"} if token is not None else {}), **options.pop("headers", {})}
        async with (
            httpx2.AsyncClient(transport=ASGIWebSocketTransport(app=self.app), base_url=BASE) as client,
            AsyncWebSocketClient(client, keepalive_ping_interval_seconds=None).connect(
                f"ws://127.0.0.1:8080{path}", headers=headers, **options
            ) as socket,
        ):
            yield socket


@asynccontextmanager
async def running_service(
    *,
    settings: dict[str, Any] | None = None,
    bots: Sequence[Any] | BotCatalog | None = None,
    storage: Storage | None = None,
    clock: ManualClock | None = None,
    dev: DevDirectory | None = None,
    wire: Callable[[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport] | None = None,
    **options: Any,
) -> AsyncIterator[Service]:
    """`dev`: a directory that others use too; `wire`: what is put into the way to it."""
    clock = clock or ManualClock()
    storage = storage or MemoryStorage()
    dev = dev or new_dev(clock)
    gb = GeneralBots(
        Settings(**{"secret_keys": [KEY], **(settings or {})}),
        storage=storage,
        directory=ZitadelDirectory(
            dev.issuer,
            dev.client_id,
            dev.client_secret,
            project_id=dev.project_id,
            transport=wire(dev.transport()) if wire else dev.transport(),
            clock=clock,
            for_development=True,
        ),
        bots=[EchoBot(), staff_bot()] if bots is None else bots,
        clock=clock,
        **options,
    )
    app = Starlette(routes=[Mount("/dev-directory", app=dev), Mount("/", app=gb)])
    async with gb.lifespan():
        yield Service(gb, dev, clock, app, storage)


def new_dev(clock: ManualClock, **options: Any) -> DevDirectory:
    dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=[KEY], clock=clock, **options)
    dev._state.keys._keys = [first_key(type(dev._state.keys))]
    return dev


@cache
def first_key(signing_keys: Any) -> Any:
    """One for all directories of the tests: making it takes longer than most tests."""
    return signing_keys().newest


async def log_in(client: httpx2.AsyncClient, username: str, path: str = "/auth/login") -> httpx2.Response:
    """Go through the directory's page, and return the answer of the callback."""
    page = await client.get((await client.get(path)).headers["location"])
    if page.status_code == 302:  # the directory knows this browser already
        return await client.get(page.headers["location"])
    form = re.search(r'name="form" value="([^"]+)"', page.text)
    assert form is not None, page.text
    fields = {"form": form[1], "username": username, "password": username}
    action = re.search(r'action="([^"]+)"', page.text)
    assert action is not None
    return await client.get((await client.post(action[1], data=fields)).headers["location"])


def session_token(client: httpx2.AsyncClient) -> str:
    return next(cookie.value or "" for cookie in client.cookies.jar if cookie.name.endswith("gb_session"))
