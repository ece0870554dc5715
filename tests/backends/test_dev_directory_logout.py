"""The development directory: logout by the browser, and word of it by the back channel."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import (
    ISSUER,
    ORIGIN,
    answer_of,
    asking,
    browser_of,
    claims_of,
    directory,
    exchange,
    refresh,
    submit,
    tokens_of,
    userinfo,
)

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio

BACK_CHANNEL = f"{ORIGIN}/auth/backchannel-logout"


class Client:
    """Takes logout tokens at its back channel."""

    def __init__(self, status: int = 200) -> None:
        self.tokens: list[str] = []
        self.status = status
        app = Starlette(routes=[Route("/auth/backchannel-logout", self._take, methods=["POST"])])
        self.transport = httpx2.ASGITransport(app=app)

    async def _take(self, request: Request) -> Response:
        self.tokens += parse_qs((await request.body()).decode())["logout_token"]
        return Response(status_code=self.status)


class Unreachable(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("nobody listens")


def with_back_channel(transport: httpx2.AsyncBaseTransport) -> DevDirectory:
    return directory(backchannel_logout_uri=BACK_CHANNEL, backchannel_transport=transport)


def ending(**asked: str) -> str:
    return f"{ISSUER}/oidc/v1/end_session?{urlencode(asked)}"


async def logged_in(dev: DevDirectory, browser: httpx2.AsyncClient) -> dict[str, Any]:
    code = answer_of(await submit(browser, await browser.get(asking()), "alice", "alice"))["code"]
    tokens: dict[str, Any] = (await exchange(dev, code)).json()
    return tokens


async def test_after_end_session_the_form_shows_again(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        tokens = await logged_in(dev, browser)
        answer = await browser.get(
            ending(
                id_token_hint=tokens["id_token"],
                client_id="generalbots",
                post_logout_redirect_uri=f"{ORIGIN}/bye?x=1",
                state="a b",
            )
        )
        assert (answer.status_code, answer.headers["location"]) == (302, f"{ORIGIN}/bye?x=1&state=a+b")
        assert (await browser.get(asking())).status_code == 200


async def test_end_session_ends_the_tokens_of_this_browser_only(dev: DevDirectory) -> None:
    other = await tokens_of(dev)
    async with browser_of(dev) as browser:
        tokens = await logged_in(dev, browser)
        await browser.get(ending())
    assert (await userinfo(dev, tokens["access_token"])).status_code == 401
    assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await userinfo(dev, other["access_token"])).status_code == 200


async def test_a_copy_of_the_cookie_is_worth_nothing_after_end_session(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser, browser_of(dev) as thief:
        await logged_in(dev, browser)
        thief.cookies.update(browser.cookies)
        assert (await thief.get(asking())).status_code == 302
        await browser.get(ending())
        assert (await thief.get(asking())).status_code == 200


async def test_end_session_without_an_address_is_a_page(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        for answer in (await browser.get(ending()), await browser.post(ending(), data={"client_id": "generalbots"})):
            assert (answer.status_code, "location" in answer.headers) == (200, False)
            assert "Logged out" in answer.text


@pytest.mark.parametrize(
    "asked",
    [
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"post_logout_redirect_uri": "http://127.0.0.1@evil.example/"},
        {"post_logout_redirect_uri": "javascript:alert(1)"},
        {"client_id": "another"},
    ],
)
async def test_end_session_sends_nobody_where_the_client_does_not_live(
    dev: DevDirectory, asked: dict[str, str]
) -> None:
    async with browser_of(dev) as browser:
        await logged_in(dev, browser)
        answer = await browser.get(ending(**asked))
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert (await browser.get(asking())).status_code == 302


async def test_a_hint_whose_signature_is_wrong_is_refused(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        head, body, _ = (await logged_in(dev, browser))["id_token"].split(".")
        assert (await browser.get(ending(id_token_hint=f"{head}.{body}.AAAA"))).status_code == 400


async def test_a_hint_from_before_a_restart_is_no_obstacle(dev: DevDirectory, clock: ManualClock) -> None:
    hint = (await tokens_of(dev))["id_token"]
    async with browser_of(directory(clock, signing_key=None)) as browser:
        answer = await browser.get(ending(id_token_hint=hint, post_logout_redirect_uri=f"{ORIGIN}/"))
    assert (answer.status_code, answer.headers["location"]) == (302, f"{ORIGIN}/")


async def test_the_client_is_told_of_a_logout(clock: ManualClock) -> None:
    client = Client()
    dev = with_back_channel(client.transport)
    async with browser_of(dev) as browser:
        sid = (await claims_of(dev, (await logged_in(dev, browser))["id_token"]))["sid"]
        await browser.get(ending())
        await browser.get(ending())  # nobody is logged in any more: nothing to tell
    claims = await claims_of(dev, client.tokens[0])
    assert len(client.tokens) == 1
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": ISSUER,
        "aud": ["generalbots"],
        "iat": int(clock.unix()),
        "exp": int(clock.unix()) + 120,
        "sub": dev.user_id("alice"),
        "sid": sid,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


async def test_a_user_can_be_logged_out_everywhere(dev: DevDirectory) -> None:
    client = Client()
    dev = with_back_channel(client.transport)
    bob = await tokens_of(dev, "bob")
    async with browser_of(dev) as browser:
        tokens = await logged_in(dev, browser)
        assert await dev.end_session_of("alice") == 200
        assert (await browser.get(asking())).status_code == 200
        again = await logged_in(dev, browser)
    claims = await claims_of(dev, client.tokens[0])
    assert (claims["sub"], "sid" in claims) == (dev.user_id("alice"), False)
    assert (await userinfo(dev, tokens["access_token"])).status_code == 401
    for good in (bob, again):
        assert (await userinfo(dev, good["access_token"])).status_code == 200


async def test_a_client_that_refuses_or_is_away_keeps_nobody_from_logging_out() -> None:
    assert await with_back_channel(Client(400).transport).end_session_of("alice") == 400
    assert await with_back_channel(Unreachable()).end_session_of("alice") is None
    assert await directory().end_session_of("alice") is None
    dev = with_back_channel(Unreachable())
    async with browser_of(dev) as browser:
        await logged_in(dev, browser)
        assert (await browser.get(ending())).status_code == 200
        assert (await browser.get(asking())).status_code == 200


async def test_a_logout_token_can_be_made_wrong_for_tests(dev: DevDirectory) -> None:
    claims = await claims_of(dev, dev.logout_token("alice", "a sid", nonce="x", aud=["another"]))
    assert (claims["sub"], claims["sid"], claims["nonce"], claims["aud"]) == (
        dev.user_id("alice"),
        "a sid",
        "x",
        ["another"],
    )
