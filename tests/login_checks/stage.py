"""A service before the faulty provider, and what must hold after each login that is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.auth.service import hash_state
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.testing import ManualClock
from generalbots_api.testing.faulty_op import Endpoint, Faults, FaultyOp, Trouble
from tests.backends.oidc_stage import AtOnce
from tests.support.promises import check_error
from tests.support.service import BASE, KEY

ISSUER = "https://op.example"
CLIENT = "client one"  # with a space, so that form-urlencoding shows
SECRET = "s3cr:t/+&%"
CODES = {400: "INVALID_REQUEST", 401: "UNAUTHORIZED", 502: "SERVER_ERROR", 503: "SERVER_ERROR"}


@dataclass(slots=True)
class Stage:
    """`browser` is one that keeps cookies and follows nothing."""

    gb: GeneralBots
    op: FaultyOp
    clock: ManualClock
    storage: MemoryStorage
    directory: OidcDirectory
    browser: httpx2.AsyncClient

    def lie(self, **faults: Any) -> None:
        self.op.faults = Faults(**faults)

    def trouble(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """Also the shortest time-out, for one that is slow."""
        self.op.faults = Faults(troubles={endpoint: trouble})
        self.directory._transport.timeout = 0.05 if trouble is Trouble.SLOW else 10

    async def recover(self) -> None:
        """Honest again, and all pauses are over; metadata that lied is kept for an hour."""
        was, self.op.faults = self.op.faults, Faults()
        self.directory._transport.timeout = 10
        self.clock.advance(3_600 if was.metadata else 10)
        if was.metadata:
            await self.begin()
            await anyio.wait_all_tasks_blocked()  # renewed behind the scenes

    def new_browser(self) -> httpx2.AsyncClient:
        return browser_of(self.gb)

    async def begin(self) -> str:
        """Where the browser is sent to log in."""
        answer = await self.browser.get("/auth/login")
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def at_provider(self, url: str) -> str:
        """Where the provider sends it back to."""
        async with httpx2.AsyncClient(transport=self.op.transport()) as client:
            answer = await client.get(url)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def answer(self) -> str:
        return await self.at_provider(await self.begin())

    async def log_in(self) -> httpx2.Response:
        """All the way, as things are; the answer of the callback."""
        return await self.browser.get(await self.answer())

    async def log_in_well(self) -> None:
        answer = await self.log_in()
        assert answer.status_code == 303, answer.text
        assert (await self.browser.get("/api/session")).json()["user_id"] == self.op.user["sub"]

    async def sessions(self) -> int:
        return await self.storage.logins.count(self.clock.now(), timedelta(hours=1))

    async def refused(self, *statuses: int, url: str | None = None) -> None:
        """The callback refuses the answer (`url` None: of a login that begins now), and all that follows from it."""
        url = url or await self.answer()
        check_is_refused(await self.browser.get(url), *statuses)
        assert await self.sessions() == 0
        assert await self.storage.pending_logins.get(hash_state(state_of(url))) is None
        assert not [cookie for cookie in self.browser.cookies.jar if cookie.name == "gb_session"]
        await self.is_spent(url)
        await self.recover()
        await self.log_in_well()
        assert await self.sessions() == 1

    async def is_spent(self, url: str) -> None:
        """The same answer again is not even taken to the provider."""
        calls = self.op.calls.total()
        check_is_refused(await self.browser.get(url), 400)
        assert self.op.calls.total() == calls


@asynccontextmanager
async def staged(
    issuer: str = ISSUER,
    kind: type[OidcDirectory] = OidcDirectory,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    clock, storage = ManualClock(), MemoryStorage()
    op = FaultyOp(issuer, CLIENT, SECRET, clock=clock)
    directory = kind(issuer, CLIENT, SECRET, transport=op.transport(), clock=clock, **options)
    directory._outgoing.random = AtOnce()  # or many tests would wait for the pauses between tries
    gb = GeneralBots(
        Settings(secret_keys=[KEY], limit_anonymous=100_000, **(settings or {})),
        storage=storage,
        directory=directory,
        bots=[EchoBot()],
        clock=clock,
    )
    async with gb.lifespan(), browser_of(gb) as browser:
        yield Stage(gb, op, clock, storage, directory, browser)


def browser_of(gb: GeneralBots) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gb), base_url=BASE)


def check_is_refused(answer: httpx2.Response, *statuses: int) -> None:
    """One of these, in the one format and in our words, with no session for the browser and nowhere to go."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    check_error(answer, answer.status_code, CODES[answer.status_code])
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    assert "Of the provider" not in answer.text


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]
