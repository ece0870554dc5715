"""Every directory in turn, open, with a user and a browser of theirs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.clock import SystemClock
from generalbots_api.directory import Directory
from generalbots_api.ids import UserId
from generalbots_api.testing import KnownUser, ManualClock
from generalbots_api.testing.faulty_op import FaultyOp
from tests.support.service import BASE, new_dev

CALLBACK = f"{BASE}/auth/callback"
RETURN_TO = f"{BASE}/"
SECRET = "s3cr:t/+&%"

Known = tuple[Directory, KnownUser]


@asynccontextmanager
async def dev() -> AsyncIterator[Known]:
    clock = ManualClock()
    dev = new_dev(clock)
    directory = ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        clock=clock,
        for_development=True,
    )

    async def log_in(url: str) -> str:
        async with httpx2.AsyncClient(transport=dev.transport(), base_url=BASE) as browser:
            page = (await browser.get(url)).text
            fields = {"form": _found(r'name="form" value="([^"]+)"', page), "username": "alice", "password": "alice"}
            return (await browser.post(_found(r'action="([^"]+)"', page), data=fields)).headers["location"]

    async def log_out(url: str) -> str:
        return dev.logout_token("alice")

    async with directory:
        yield (
            directory,
            KnownUser(
                user_id=UserId(dev.user_id("alice")),
                redirect_uri=CALLBACK,
                return_to=RETURN_TO,
                email="alice@generalbots.example",
                roles=frozenset({"user"}),
                groups=frozenset({"staff"}),
                clock=clock,
                log_in=log_in,
                log_out=log_out,
            ),
        )


@asynccontextmanager
async def faulty() -> AsyncIterator[Known]:
    """With no faults."""
    clock = ManualClock()
    op = FaultyOp("https://op.example", "client one", SECRET, clock=clock)

    async def log_in(url: str) -> str:
        async with httpx2.AsyncClient(transport=op.transport()) as browser:
            return (await browser.get(url)).headers["location"]

    async def log_out(url: str) -> str:
        return op.logout_token()

    async with OidcDirectory(op.issuer, op.client_id, SECRET, transport=op.transport(), clock=clock) as directory:
        user = a_user("42", "ada@example.com", log_in, log_out, clock=clock)
        yield directory, user


@asynccontextmanager
async def certified(issuer: str, algorithm: str = "RS256") -> AsyncIterator[Known]:
    """npm's `oidc-provider`, over real connections; it signs as the client was registered."""
    directory = OidcDirectory(
        issuer, f"client {algorithm}", SECRET, login_params={"prompt": "consent"}, for_development=True
    )
    async with directory, httpx2.AsyncClient(trust_env=False) as browser:
        visitor = Visitor(browser)
        yield directory, a_user("ada", "ada@example.com", visitor.log_in, visitor.log_out)


class Visitor:
    """A browser that follows the provider's redirects, but not back to us."""

    def __init__(self, browser: httpx2.AsyncClient) -> None:
        self._browser = browser

    async def log_in(self, url: str) -> str:
        while not url.startswith(CALLBACK):
            answer = await self._browser.get(url)
            assert answer.is_redirect, answer.text
            url = str(httpx2.URL(url).join(answer.headers["location"]))
        return url

    async def log_out(self, url: str) -> str:
        """Confirm it; the provider has sent its logout token before it answers."""
        page = await self._browser.get(url)
        fields = {"xsrf": _found(r'name="xsrf" value="([^"]+)"', page.text), "logout": "yes"}
        answer = await self._browser.post(_found(r'action="([^"]+)"', page.text), data=fields)
        assert answer.headers["location"].startswith(RETURN_TO), answer.text
        parts = urlsplit(url)
        return (await self._browser.get(f"{parts.scheme}://{parts.netloc}/received")).text


def a_user(
    id: str,
    email: str,
    log_in: Callable[[str], Awaitable[str]],
    log_out: Callable[[str], Awaitable[str]],
    clock: ManualClock | None = None,
) -> KnownUser:
    return KnownUser(
        user_id=UserId(id),
        redirect_uri=CALLBACK,
        return_to=RETURN_TO,
        email=email,
        roles=frozenset({"user"}),
        clock=clock or SystemClock(),
        log_in=log_in,
        log_out=log_out,
    )


def _found(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    assert found is not None, page
    return found[1]
