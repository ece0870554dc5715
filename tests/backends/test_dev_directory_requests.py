"""The development directory: authorization requests, and the browser's own session."""

from __future__ import annotations

from urllib.parse import parse_qs, quote_plus

import httpx2
import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import CALLBACK, answer_of, asking, browser_of, claims_of, directory, exchange, submit

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "uri",
    [
        *(None, "", "https://evil.example/auth/callback", "http://127.0.0.1:8080/elsewhere", "/auth/callback"),
        *("http://127.0.0.1@evil.example/auth/callback", "http://evil.example\\@127.0.0.1/auth/callback"),
        *("http://127.0.0.1/auth/callback#x", "http://127.0.0.1/auth/callback?x=/auth/callback", "javascript:alert(1)"),
        *(
            "http://127.0.0.1/\r\nSet-Cookie:x=1/auth/callback",
            "http://127.0.0.1:x/auth/callback",
            "http://[/auth/callback",
        ),
        *("http://127.0.0.1.evil.example/auth/callback", "http://evil.example\\.localhost/auth/callback"),
        *("http://evil.example@127.0.0.1/auth/callback", "http://x:y@localhost/auth/callback"),
    ],
)
async def test_a_bad_redirect_uri_shows_a_page_and_never_redirects(dev: DevDirectory, uri: str | None) -> None:
    async with browser_of(dev) as browser:
        for more in ({}, {"prompt": "none"}, {"response_type": "token"}):
            answer = await browser.get(asking(redirect_uri=uri, **more))
            assert (answer.status_code, "location" in answer.headers) == (400, False)
            assert answer.headers["content-type"].startswith("text/html")


async def test_only_listed_redirect_uris_are_good_if_there_is_a_list() -> None:
    dev = directory(redirect_uris=["https://app.example/cb?x=1"])
    async with browser_of(dev) as browser:
        assert (await browser.get(asking())).status_code == 400
        answer = await browser.get(asking(redirect_uri="https://app.example/cb?x=1", prompt="none"))
    assert answer.headers["location"].startswith("https://app.example/cb?x=1&error=login_required&")


@pytest.mark.parametrize("more", ["&client_id=generalbots", f"&redirect_uri={quote_plus(CALLBACK)}"])
async def test_a_client_or_address_that_comes_twice_shows_a_page(dev: DevDirectory, more: str) -> None:
    async with browser_of(dev) as browser:
        assert (await browser.get(asking() + more)).status_code == 400


async def test_an_unknown_client_shows_a_page(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        assert (await browser.get(asking(client_id="another"))).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "x" * 42}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"nonce": "x" * 2_049}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_to_the_client(
    dev: DevDirectory, changes: dict[str, str | None], error: str
) -> None:
    async with browser_of(dev) as browser:
        answer = answer_of(await browser.get(asking(**changes)))
    assert (answer["error"], answer["state"]) == (error, "the state")
    assert "code" not in answer


async def test_a_parameter_that_comes_twice_is_told_to_the_client(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        assert answer_of(await browser.get(asking() + "&nonce=x"))["error"] == "invalid_request"
        assert "state" not in answer_of(await browser.get(asking() + "&state=x"))


async def test_a_request_may_come_by_post(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        url, _, query = asking().partition("?")
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        page = await browser.post(url, data=fields)
        assert answer_of(await submit(browser, page, "alice", "alice"))["state"] == "the state"


# The browser's own session


async def test_a_browser_that_is_logged_in_needs_no_password(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        first = answer_of(await submit(browser, await browser.get(asking()), "alice", "alice"))["code"]
        for prompt in (None, "none", "consent"):
            assert "code" in answer_of(await browser.get(asking(prompt=prompt)))
        second = answer_of(await browser.get(asking()))["code"]
    sids = [(await claims_of(dev, (await exchange(dev, code)).json()["id_token"]))["sid"] for code in (first, second)]
    assert sids[0] == sids[1]


@pytest.mark.parametrize("prompt", ["login", "select_account"])
async def test_prompt_login_asks_for_the_password_again(dev: DevDirectory, prompt: str) -> None:
    async with browser_of(dev) as browser:
        await submit(browser, await browser.get(asking()), "alice", "alice")
        page = await browser.get(asking(prompt=prompt))
        assert page.status_code == 200
        assert "code" in answer_of(await submit(browser, page, "alice", "alice"))


async def test_max_age_asks_for_the_password_again_and_auth_time_tells_when_it_was_given(
    dev: DevDirectory, clock: ManualClock
) -> None:
    async with browser_of(dev) as browser:
        await submit(browser, await browser.get(asking()), "alice", "alice")
        given_at = int(clock.unix())
        clock.advance(59)
        code = answer_of(await browser.get(asking(max_age="60")))["code"]
        assert (await claims_of(dev, (await exchange(dev, code)).json()["id_token"]))["auth_time"] == given_at
        clock.advance(1)
        assert (await browser.get(asking(max_age="60"))).status_code == 200
        assert answer_of(await browser.get(asking(max_age="60", prompt="none")))["error"] == "login_required"
        assert (await browser.get(asking(max_age="0"))).status_code == 200


async def test_a_browser_s_session_ends_after_twelve_hours(dev: DevDirectory, clock: ManualClock) -> None:
    async with browser_of(dev) as browser:
        await submit(browser, await browser.get(asking()), "alice", "alice")
        clock.advance(12 * 3_600 - 1)
        assert (await browser.get(asking())).status_code == 302
        clock.advance(1)
        assert (await browser.get(asking())).status_code == 200


async def test_a_cookie_that_is_not_ours_is_no_session(dev: DevDirectory) -> None:
    other = directory(secret_keys=["another secret key of 32 bytes and more"])
    async with browser_of(other) as browser:
        await submit(browser, await browser.get(asking()), "alice", "alice")
        stolen = {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}
    async with httpx2.AsyncClient(transport=dev.transport(), cookies=stolen) as browser:
        assert (await browser.get(asking())).status_code == 200
