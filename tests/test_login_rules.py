"""Logging in, staying in and getting out: what the contract promises beyond the spec, on each storage."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import check_error
from tests.support.service import Service, log_in, running_service, session_token

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

ONE = "2026-01-20T13:00:00Z"
APP = "https://app.example"


async def test_login_sets_a_cookie_for_each_login_so_that_two_tabs_can_log_in(service: Service) -> None:
    async with service.client() as browser:
        first, second = [(await browser.get("/auth/login")).headers["location"] for _ in range(2)]
        page = await log_in(browser, "alice")
        late = await browser.get((await browser.get(first)).headers["location"])
        later = await browser.get((await browser.get(second)).headers["location"])
    assert [page.status_code, late.status_code, later.status_code] == [303, 303, 303]


async def test_the_cookie_is_the_token_and_has_256_random_bits(service: Service, browser: Client) -> None:
    async with service.client() as other:
        token = session_token(browser)
        answer = await other.get("/api/session", headers={"Authorization": f"bEARER {token}"})
    assert (token[:4], len(token)) == ("gbs_", 47)
    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["", "?code=x", "?state=", "?state=unknown&code=x", "?error=access_denied"])
async def test_callback_is_400_for_a_state_that_is_missing_or_unknown(nobody: Client, query: str) -> None:
    answer = await nobody.get(f"/auth/callback{query}")
    assert "state" in check_error(answer, 400, "INVALID_REQUEST")["fields"]
    assert "set-cookie" not in answer.headers


async def test_callback_is_400_when_it_comes_again(service: Service) -> None:
    async with service.client() as browser:
        url = (await log_in(browser, "alice")).request.url
        check_error(await browser.get(str(url)), 400, "INVALID_REQUEST")


async def test_callback_is_400_in_another_browser(service: Service) -> None:
    async with service.client() as mallory, service.client() as victim:
        await log_in(mallory, "bob")
        begun = await mallory.get((await mallory.get("/auth/login")).headers["location"])
        check_error(await victim.get(begun.headers["location"]), 400, "INVALID_REQUEST")
        await victim.get("/auth/login")  # with a login cookie of its own
        check_error(await victim.get(begun.headers["location"]), 400, "INVALID_REQUEST")


async def test_callback_is_400_when_the_login_took_too_long(service: Service) -> None:
    async with service.client() as browser:
        await log_in(browser, "alice")
        begun = await browser.get((await browser.get("/auth/login")).headers["location"])
        service.clock.advance(601)
        check_error(await browser.get(begun.headers["location"]), 400, "INVALID_REQUEST")


async def test_callback_is_401_when_the_directory_refused(service: Service) -> None:
    async with service.client() as browser:
        begun = (await browser.get("/auth/login")).headers["location"]
        state = parse_qs(urlsplit(begun).query)["state"][0]
        query = {"error": "access_denied", "state": state, "iss": service.dev.issuer}
        answer = await browser.get("/auth/callback", params=query)
    check_error(answer, 401, "UNAUTHORIZED")


@pytest.mark.parametrize("change", [{"code": "wrong"}, {"iss": "https://elsewhere.example"}])
async def test_callback_is_401_when_the_answer_fails_a_check(service: Service, change: dict[str, str]) -> None:
    async with service.client() as browser:
        await log_in(browser, "alice")
        begun = await browser.get((await browser.get("/auth/login")).headers["location"])
        url = httpx2.URL(begun.headers["location"]).copy_merge_params(change)
        check_error(await browser.get(str(url)), 401, "UNAUTHORIZED")


async def test_a_new_login_ends_the_session_that_the_browser_had(service: Service, browser: Client) -> None:
    async with service.client() as other:
        old = session_token(browser)
        await log_in(browser, "alice")
        assert session_token(browser) != old
        answer = await other.get("/api/session", headers={"Authorization": f"Bearer {old}"})
    check_error(answer, 401, "UNAUTHORIZED")


async def test_logout_leaves_other_logins_of_the_user_alone(service: Service, alice: Client) -> None:
    async with await service.bearer("alice") as other:
        await alice.post("/auth/logout")
        assert (await other.get("/api/session")).status_code == 200


async def test_validate_does_not_prolong_the_session(service: Service, alice: Client) -> None:
    service.clock.advance(1_800)
    assert (await alice.get("/auth/validate")).json()["expires_at"] == ONE
    service.clock.advance(1_800)
    assert (await alice.get("/auth/validate")).json()["valid"] is False


async def test_a_backchannel_logout_of_the_directory_ends_the_session(
    service: Service, alice: Client, nobody: Client
) -> None:
    token = service.dev.logout_token("alice")
    answer = await nobody.post("/auth/backchannel-logout", data={"logout_token": token})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
    again = await nobody.post("/auth/backchannel-logout", data={"logout_token": token})
    check_error(again, 400, "INVALID_REQUEST")


async def test_use_prolongs_a_session_and_idleness_ends_it(service: Service, alice: Client) -> None:
    service.clock.advance(3_599)
    assert (await alice.get("/api/session")).json()["expires_at"] == "2026-01-20T13:59:59Z"
    service.clock.advance(3_600)
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_a_session_ends_after_its_lifetime_however_much_it_is_used(service: Service, alice: Client) -> None:
    for _ in range(23):
        service.clock.advance(1_800)
        assert (await alice.get("/api/session")).status_code == 200
    service.clock.advance(1_799)
    assert (await alice.get("/api/session")).json()["expires_at"] == "2026-01-21T00:00:00Z"
    service.clock.advance(1)
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_login_is_503_without_a_redirect_while_the_directory_is_down(service: Service) -> None:
    service.dev.set_down(True)
    async with service.client() as browser:
        answer = await browser.get("/auth/login")
    assert check_error(answer, 503, "SERVER_ERROR")["request_id"] == answer.headers["x-request-id"]
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert int(answer.headers["retry-after"]) >= 1


async def test_logout_twice_is_401(alice: Client) -> None:
    await alice.post("/auth/logout")
    check_error(await alice.post("/auth/logout"), 401, "UNAUTHORIZED")


async def test_logout_ends_the_session_while_the_directory_is_down(service: Service, alice: Client) -> None:
    service.dev.set_down(True)
    answer = await alice.post("/auth/logout")
    assert (answer.status_code, answer.json()["directory_revoked"]) == (200, False)
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


SAFE = [
    *("/chat", "/a/b?x=1", "/?next=/x", "/#/chat", "/chat?to=%2Fx", "/authors", "/a.b/..c", "/" + "a" * 2_047),
    *(f"{APP}/", f"{APP}/x?y=1", APP),
]
UNSAFE = [
    *(
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/x\\..\\y",
        "x",
        "",
        " /x",
        "?x",
        ".",
    ),
    *("https://evil.example", "http://app.example/", f"{APP}.evil.example/", f"{APP}@evil.example/", f"{APP}:444/"),
    *("javascript:alert(1)", "data:text/html,x", "https:/evil.example", "https:evil.example", "ftp://app.example"),
    *("/%2Fevil.example", "/%2fevil.example", "/%252Fevil.example", "/%5Cevil.example", "/%255Cevil.example", "/a//b"),
    *("/\t/evil.example", "/x\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:a=b", "/%250a", "/%00", "/\x7f", "\x01/x"),
    *("/auth/login", "/auth", "/auth/", "/%61uth/login", "/%2561uth/login", "/a/../auth/login", "/./auth/logout"),
    *("/%2e%2e/auth/login", "/.//evil.example", "/../x", "/" + "a" * 2_048, f"{APP}/\\evil", f"{APP}\n/"),
]


@pytest.mark.parametrize(("targets", "is_safe"), [(SAFE, True), (UNSAFE, False)], ids=["safe", "unsafe"])
async def test_after_a_login_browsers_go_to_safe_places_only(
    storage: Storage, targets: list[str], is_safe: bool
) -> None:
    settings = {"redirect_origins": [APP], "after_login": "/home", "limit_anonymous": 1_000, "limit_user": 10_000}
    went: dict[str, str] = {}
    async with running_service(storage=storage, settings=settings) as service, service.client() as browser:
        for target in targets:
            answer = await log_in(browser, "alice", str(httpx2.URL("/auth/login", params={"redirect": target})))
            went[target] = answer.headers["location"]
    assert went == {target: target if is_safe else "/home" for target in targets}


CROSS_SITE = [
    ({}, 201),  # not a browser
    ({"Sec-Fetch-Site": "same-origin"}, 201),
    ({"Sec-Fetch-Site": "none"}, 201),
    ({"Origin": "http://127.0.0.1:8080"}, 201),
    ({"Origin": APP, "Sec-Fetch-Site": "cross-site"}, 201),  # a configured one
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "nonsense"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "http://127.0.0.1:8081"}, 403),
    ({"Origin": "https://127.0.0.1:8080"}, 403),
    ({"Origin": f"{APP}.evil.example"}, 403),
    ({"Origin": "*"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), CROSS_SITE)
async def test_with_a_cookie_a_change_is_let_in_from_here_only(
    storage: Storage, headers: dict[str, str], status: int
) -> None:
    async with running_service(storage=storage, settings={"cors_origins": [APP]}) as service:
        browser = await service.log_in("alice")
        answer = await browser.post("/api/session/create", json={"bot_id": "echo"}, headers=headers)
        assert answer.status_code == status
        if status == 403:
            check_error(answer, 403, "FORBIDDEN")
            for method, path in (("PUT", "/api/users/me"), ("DELETE", "/api/session/x"), ("POST", "/auth/logout")):
                check_error(await browser.request(method, path, headers=headers), 403, "FORBIDDEN")


async def test_any_origin_of_cors_is_no_origin_that_may_change_things_by_cookie(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"cors_origins": ["*"]}) as service:
        browser = await service.log_in("alice")
        answer = await browser.post("/auth/logout", headers={"Origin": "https://evil.example"})
        check_error(answer, 403, "FORBIDDEN")
        check_error(await browser.post("/auth/logout", headers={"Origin": "*"}), 403, "FORBIDDEN")


async def test_bearer_tokens_and_reading_need_no_origin(alice: Client, browser: Client) -> None:
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await alice.post("/api/session/create", json={"bot_id": "echo"}, headers=evil)
    assert answer.status_code == 201
    assert (await browser.get("/api/session", headers=evil)).status_code == 200


async def test_over_https_the_cookies_are_secure_and_of_this_host_only(storage: Storage) -> None:
    url = "https://127.0.0.1:8080"
    async with running_service(storage=storage, settings={"public_url": url}) as service:
        browser = service.client(base_url=url)
        answer = await log_in(browser, "alice")
        assert (await browser.get("/api/session")).status_code == 200
        cookies = answer.headers.get_list("set-cookie")
    assert any(one.startswith("__Host-gb_session=gbs_") for one in cookies)
    assert all({"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(one.split("; ")) for one in cookies)
    assert not any("Domain" in one for one in cookies)


async def test_the_header_wins_over_the_cookie(service: Service, browser: Client) -> None:
    token = await service.token("bob")
    answer = await browser.get("/api/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["user_id"] == service.dev.user_id("bob")
    check_error(await browser.get("/api/session", headers={"Authorization": "Bearer bad"}), 401, "UNAUTHORIZED")


async def test_past_the_sessions_of_a_user_the_oldest_ends(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"sessions_per_user": 2}) as service:
        clients = []
        for _ in range(3):
            clients.append(await service.bearer("alice"))
            service.clock.advance(1)
        statuses = [(await client.get("/api/session")).status_code for client in clients]
    assert statuses == [401, 200, 200]


async def test_a_user_who_is_locked_out_at_the_directory_is_out_here_when_the_roles_are_read_again(
    service: Service, alice: Client
) -> None:
    service.dev.set_active("alice", is_active=False)
    service.clock.advance(301)
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
