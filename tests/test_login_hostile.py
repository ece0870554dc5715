"""Other sites, planted cookies and crooked redirects: what they try, and what comes of it, on each storage."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from httpx2 import AsyncClient as Client
from itsdangerous import URLSafeSerializer

from generalbots_api.storage import Storage
from tests.support.promises import check_error, check_refused, hear, opened, raw, refusal, say, token_of
from tests.support.service import BASE, Service, log_in, running_service, session_token

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

APP, EVIL = "https://app.example", "https://evil.example"
SECURE = "https://127.0.0.1:8080"
BEHIND_HTTPS = {"public_url": SECURE, "cors_origins": [APP], "limit_anonymous": 1_000}


@asynccontextmanager
async def public(storage: Storage) -> AsyncIterator[tuple[Service, Client]]:
    """Behind https, and a browser that has logged in there."""
    async with running_service(storage=storage, settings=BEHIND_HTTPS) as service:
        browser = service.client(base_url=SECURE)
        assert (await log_in(browser, "alice")).status_code == 303
        yield service, browser


# Other sites


ORIGINS = [
    *(EVIL, "null", "", "*", f"{SECURE}.evil.example", "https://evil127.0.0.1:8080", "http://127.0.0.1:8080"),
    *("https://127.0.0.1:444", "https://127.0.0.1:80800", "https://sub.127.0.0.1:8080", "https://127.0.0.1.:8080"),
    *(f"{SECURE}/", f"{SECURE}/path", "https://user@127.0.0.1:8080", "HTTPS://127.0.0.1:8080", "https://127.0.0.1"),
    *(f"{SECURE} evil", f"{SECURE},{EVIL}", f"{EVIL} {SECURE}", "127.0.0.1:8080", "//127.0.0.1:8080"),
    *(
        "https:127.0.0.1:8080",
        "wss://127.0.0.1:8080",
        "https://localhost:8080",
        "https://[::1]:8080",
        "https://127.1:8080",
    ),
    *("https://2130706433:8080", "file://", "chrome-extension://x", "https://app.example.", "https://app.example:443"),
    *(f"null, {APP}", "https://APP.example", "https://xn--pp-xka.example", "https://\u00e0pp.example"),
]


async def test_no_other_origin_may_change_anything_by_the_cookie_of_a_browser(storage: Storage) -> None:
    async with public(storage) as (service, browser):
        cookie = b"; ".join(f"{one.name}={one.value}".encode() for one in browser.cookies.jar)
        for origin in ORIGINS:
            headers = [(b"cookie", cookie), (b"origin", origin.encode()), (b"content-type", b"application/json")]
            for method, path in (
                ("POST", "/api/session/create"),
                ("PUT", "/api/users/me"),
                ("DELETE", "/api/users/me/sessions"),
                ("POST", "/auth/logout"),
                ("POST", "/auth/backchannel-logout"),
            ):
                answer = await raw(service, method, path, headers, [b'{"bot_id": "echo"}'])
                check_refused((origin, path), answer, 403)
        for origin in (SECURE, APP):
            answer = await browser.post("/api/session/create", json={"bot_id": "echo"}, headers={"Origin": origin})
            assert answer.status_code == 201, origin


async def test_no_other_origin_opens_a_socket(storage: Storage) -> None:
    async with public(storage) as (service, browser):
        token = session_token(browser)
        for origin in ORIGINS:
            if not origin.isascii():
                continue  # the client sends none
            by_cookie = {"Origin": origin, "Cookie": f"__Host-gb_session={token}"}
            check_error(await refusal(service, None, headers=by_cookie), 403, "FORBIDDEN")
            check_error(await refusal(service, token, headers={"Origin": origin}), 403, "FORBIDDEN")
        for origin in (SECURE, APP):
            headers = {"Origin": origin, "Cookie": f"__Host-gb_session={token}"}
            async with service.socket(None, headers=headers) as socket:
                await say(socket, {"type": "ping"})
                assert await hear(socket) == {"type": "pong"}


async def test_the_host_header_makes_no_origin_where_the_public_url_is_known(storage: Storage) -> None:
    async with public(storage) as (service, browser):
        cookie = f"__Host-gb_session={session_token(browser)}"
        headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": EVIL, "Cookie": cookie}
        async with service.client() as client:
            check_error(await client.post("/auth/logout", headers=headers), 403, "FORBIDDEN")
            location = (await client.get("/auth/login", headers=headers)).headers["location"]
        assert "evil.example" not in location


@pytest.mark.parametrize(
    "site", ["cross-site", "same-site", "Same-Origin", "same-origin, cross-site", "none ", "", "x"]
)
async def test_a_site_that_is_not_exactly_this_one_may_not_change_things(
    service: Service, browser: Client, site: str
) -> None:
    cookie = f"gb_session={session_token(browser)}".encode()
    answer = await raw(service, "POST", "/auth/logout", [(b"cookie", cookie), (b"sec-fetch-site", site.encode())])
    check_error(answer, 403, "FORBIDDEN")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_of_an_old_browser_is_no_request_of_this_api(browser: Client, kind: str) -> None:
    """One that sends neither Origin nor Sec-Fetch-Site can still send no JSON from another site."""
    for method, path in (("POST", "/api/session/create"), ("PUT", "/api/users/me")):
        answer = await browser.request(method, path, content=b'{"bot_id":"echo"}', headers={"Content-Type": kind})
        check_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_a_get_is_a_get_whatever_it_says(browser: Client, name: str) -> None:
    evil = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", name: "DELETE"}
    assert (await browser.get("/api/users/me/sessions?_method=DELETE", headers=evil)).status_code == 200
    check_error(await browser.get("/auth/logout", headers=evil), 405, "METHOD_NOT_ALLOWED")
    assert (await browser.get("/api/session")).status_code == 200


# Planted cookies


async def test_a_session_that_was_planted_is_not_the_one_that_a_login_gives(service: Service) -> None:
    mallory = await service.token("bob")
    async with service.client() as victim:
        victim.cookies.set("gb_session", mallory, domain="127.0.0.1", path="/")
        await log_in(victim, "alice")
        assert session_token(victim) != mallory
        assert (await victim.get("/api/session")).json()["user_id"] == service.dev.user_id("alice")
        answer = await victim.get("/api/session", headers={"Authorization": f"Bearer {mallory}"})
    check_error(answer, 401, "UNAUTHORIZED")


async def test_a_cookie_planted_beside_the_right_one_is_nobody_s(service: Service, browser: Client) -> None:
    own, other = session_token(browser), await service.token("bob")
    for pair in ((own, other), (other, own), (own, own)):
        cookie = "; ".join(f"gb_session={token}" for token in pair).encode()
        check_error(await raw(service, "GET", "/api/session", [(b"cookie", cookie)]), 401, "UNAUTHORIZED")
        headers = [(b"cookie", f"gb_session={token}".encode()) for token in pair]
        check_error(await raw(service, "GET", "/api/session", headers), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("name", ["gb_session", "__Secure-gb_session", "__host-gb_session", "x__Host-gb_session"])
async def test_over_https_only_the_cookie_that_no_other_host_can_set_counts(storage: Storage, name: str) -> None:
    async with public(storage) as (service, browser):
        cookie = f"{name}={session_token(browser)}".encode()
        check_error(await raw(service, "GET", "/api/session", [(b"cookie", cookie)]), 401, "UNAUTHORIZED")


async def test_nothing_but_a_session_token_is_one(service: Service, browser: Client) -> None:
    await browser.get("/auth/login")
    session = (await browser.get("/api/session")).json()["session_id"]
    marks = [one.value or "" for one in browser.cookies.jar if "_login_" in one.name]
    token = session_token(browser)
    for text in (*marks, session, token[4:], token.swapcase(), token + "=", token[:-1], f"gbs_{session}", "gbs_" * 12):
        for header in ((b"authorization", f"Bearer {text}".encode()), (b"cookie", f"gb_session={text}".encode())):
            check_refused(text, await raw(service, "GET", "/api/session", [header]), 401)


def made_up(browser: str, mark: str, begun: Any) -> list[str]:
    """Login cookies that were signed by nobody, or by somebody else."""
    payload = base64.urlsafe_b64encode(json.dumps([browser, mark, begun]).encode()).decode().rstrip("=")
    signed = str(URLSafeSerializer("another key", "generalbots_api login cookie").dumps([browser, mark, begun]))
    return [payload, f"{payload}.", f"{payload}.AAAA", signed, json.dumps([browser, mark, begun]), ".", ""]


async def test_the_cookie_of_a_login_cannot_be_made_up_moved_or_changed(service: Service) -> None:
    async with service.client() as mallory, service.client() as victim:
        await log_in(mallory, "bob")
        back = (await mallory.get((await mallory.get("/auth/login")).headers["location"])).headers["location"]
        (real,) = [one for one in mallory.cookies.jar if "_login_" in one.name]
        await victim.get("/auth/login")
        (other,) = [one for one in victim.cookies.jar if "_login_" in one.name]
        mark, value = real.name.rpartition("_")[2], real.value or ""
        tries = [
            *made_up("x", mark, int(service.clock.unix())),
            other.value or "",
            value[:-1],
            "A" + value,
        ]
        for text in tries:
            answer = await victim.get(back, headers={"Cookie": f"{real.name}={text}"})
            check_refused(text, answer, 400)
            assert "set-cookie" not in answer.headers
        answer = await victim.get(back, headers={"Cookie": f"{real.name}={value}; {real.name}={value}"})
        check_error(answer, 400, "INVALID_REQUEST")
        assert (await mallory.get(back)).status_code == 303  # nothing of it has spent the login


async def test_a_login_of_somebody_else_does_not_become_the_victim_s(service: Service, browser: Client) -> None:
    async with service.client() as mallory:
        await log_in(mallory, "bob")
        back = (await mallory.get((await mallory.get("/auth/login")).headers["location"])).headers["location"]
    check_error(await browser.get(back), 400, "INVALID_REQUEST")
    assert (await browser.get("/api/session")).json()["user_id"] == service.dev.user_id("alice")


async def test_cookies_are_set_by_logins_and_logouts_only(service: Service, browser: Client) -> None:
    await opened(browser)
    for method, path in (
        *(("GET", "/api/session"), ("GET", "/auth/validate"), ("GET", "/api/bots"), ("GET", "/health")),
        *(("GET", "/auth/callback"), ("GET", "/auth/callback?code=x&state=y"), ("POST", "/auth/backchannel-logout")),
        *(("DELETE", "/api/session/unknown"), ("GET", "/nowhere"), ("PUT", "/api/users/me")),
    ):
        assert "set-cookie" not in (await browser.request(method, path)).headers, path


async def test_the_cookie_goes_as_it_came(storage: Storage) -> None:
    async with public(storage) as (_, browser):
        answer = await browser.post("/auth/logout")
    attributes = set(answer.headers["set-cookie"].split("; "))
    assert attributes == {"__Host-gb_session=", "Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=0"}


# Crooked redirects


CROOKED = [
    *("\uff0f\uff0fevil.example", "/\uff0fevil.example", "/\u2215evil.example"),
    *(f"{APP}\\@evil.example", f"{APP}%40evil.example", f"{APP}%2Eevil.example", "https://app.example:443/"),
    *("HTTPS://APP.EXAMPLE/", "https://user@app.example/", "https://user:pw@app.example/", "//app.example/"),
    *("https://app.example\t/", "https://app.example#@evil.example\\", "https:\\\\app.example", "http:/app.example"),
    *("/..//evil.example", "/%2e%2e//evil.example", "/..%2f..%2f/evil.example", "/x/%2e%2e/auth/logout"),
    *("/%09/evil.example", "/%0a/evil.example", "/\u0000", "/%5c%5cevil.example", "/%255c%255cevil.example"),
    *("/\u202ex", "/\ufeff/evil.example", "/x\x85y", "%2f%2fevil.example", "%2Fx", "/auth/callback?code=x"),
    *("blob:https://app.example/x", "view-source:https://app.example", "/auth%2flogin", "/auth%252flogin"),
]


async def test_crooked_targets_lead_home(storage: Storage) -> None:
    settings = {"redirect_origins": [APP], "after_login": "/home", "limit_anonymous": 1_000, "limit_user": 10_000}
    async with running_service(storage=storage, settings=settings) as service, service.client() as browser:
        for target in CROOKED:
            answer = await log_in(browser, "alice", str(httpx2.URL("/auth/login", params={"redirect": target})))
            assert answer.headers["location"] == "/home", target
        for query in ("redirect=/a&redirect=//evil.example", "redirect=%ff", "redirect=%00", "redirect[]=/x"):
            answer = await log_in(browser, "alice", f"/auth/login?{query}")
            assert answer.headers["location"] == "/home", query


async def test_an_answer_of_the_directory_cannot_change_the_target(service: Service) -> None:
    async with service.client() as browser:
        await log_in(browser, "alice")
        begun = await browser.get((await browser.get("/auth/login?redirect=/chat")).headers["location"])
        url = httpx2.URL(begun.headers["location"]).copy_merge_params({"redirect": EVIL, "redirect_uri": EVIL})
        answer = await browser.get(str(url))
    assert (answer.status_code, answer.headers["location"]) == (303, "/chat")


async def test_the_place_after_a_logout_is_ours_whatever_the_browser_says(alice: Client) -> None:
    headers = {"Host": "127.0.0.1:8080", "Origin": BASE, "Referer": EVIL}
    answer = await alice.post(f"/auth/logout?redirect={EVIL}&post_logout_redirect_uri={EVIL}", headers=headers)
    assert "evil" not in answer.json()["logout_url"]
    assert token_of(alice) not in answer.json()["logout_url"]
