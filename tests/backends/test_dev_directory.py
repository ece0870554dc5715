"""The development directory: what it says of itself, and a login from the form to the claims."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import (
    ALL_SCOPES,
    ISSUER,
    KEY,
    ORIGIN,
    answer_of,
    asking,
    browser_of,
    claims_of,
    exchange,
    form_of,
    signing_key,
    submit,
    tokens_of,
    userinfo,
)

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio


async def test_every_endpoint_that_discovery_names_is_there(dev: DevDirectory) -> None:
    async with browser_of(dev) as client:
        found = (await client.get(f"{ISSUER}/.well-known/openid-configuration")).json()
        assert found["issuer"] == ISSUER
        urls = [url for name, url in found.items() if name.endswith(("_endpoint", "_uri"))]
        assert len(urls) == 7
        for url in urls:
            assert url.startswith(f"{ISSUER}/")
            assert (await client.get(url)).status_code != 404


async def test_only_discovery_and_keys_may_be_kept_by_caches(dev: DevDirectory) -> None:
    async with browser_of(dev) as client:
        for path in ("/.well-known/openid-configuration", "/oauth/v2/keys"):
            assert "cache-control" not in (await client.get(ISSUER + path)).headers
        for path in ("/oauth/v2/authorize", "/oidc/v1/userinfo", "/oidc/v1/end_session", "/nowhere"):
            assert (await client.get(ISSUER + path)).headers["cache-control"] == "no-store"
        assert (await client.post(f"{ISSUER}/oauth/v2/token")).headers["cache-control"] == "no-store"


async def test_it_works_mounted_in_a_host_as_by_its_transport(dev: DevDirectory) -> None:
    transport = httpx2.ASGITransport(app=Starlette(routes=[Mount("/dev-directory", app=dev)]))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        page = await browser.get(asking())
        code = answer_of(await submit(browser, page, "bob", "bob"))["code"]
    assert (await exchange(dev, code)).status_code == 200


async def test_it_works_at_the_root_of_an_origin() -> None:
    dev = DevDirectory("http://localhost:9000", secret_keys=[KEY], signing_key=signing_key())
    async with httpx2.AsyncClient(transport=dev.transport()) as client:
        found = (await client.get("http://localhost:9000/.well-known/openid-configuration")).json()
        assert found["token_endpoint"] == "http://localhost:9000/oauth/v2/token"
        assert (await client.get(found["jwks_uri"])).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost@evil.example"])
async def test_names_that_are_not_of_this_machine_are_refused(dev: DevDirectory, host: str) -> None:
    async with browser_of(dev) as client:
        assert (await client.get(asking(), headers={"Host": host})).status_code == 400


async def test_a_login_gives_tokens_that_say_who_it_is(dev: DevDirectory, clock: ManualClock) -> None:
    tokens = await tokens_of(dev, "admin")
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, ALL_SCOPES)
    claims = await claims_of(dev, tokens["id_token"])
    now, roles = int(clock.unix()), {"admin": {"100000000000000001": "generalbots.example"}}
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert len(claims.pop("sid")) >= 16
    assert claims == {
        "iss": ISSUER,
        "sub": dev.user_id("admin"),
        "aud": ["generalbots", "1001", "100000000000000002"],
        "azp": "generalbots",
        "client_id": "generalbots",
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "amr": ["pwd"],
        "nonce": "the nonce",
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "urn:zitadel:iam:org:project:roles": roles,
        "urn:zitadel:iam:org:project:1001:roles": roles,
        "urn:zitadel:iam:user:resourceowner:id": "100000000000000001",
        "urn:zitadel:iam:user:resourceowner:name": "General Bots",
        "urn:zitadel:iam:user:resourceowner:primary_domain": "generalbots.example",
    }
    assert dev.user_id("admin").isdigit()


async def test_userinfo_tells_names_email_and_roles(dev: DevDirectory) -> None:
    info = (await userinfo(dev, (await tokens_of(dev, "alice"))["access_token"])).json()
    wanted = {"sub": dev.user_id("alice"), "preferred_username": "alice", "given_name": "Alice"}
    wanted |= {"family_name": "Liddell", "name": "Alice Liddell", "email": "alice@generalbots.example"}
    assert wanted.items() <= info.items()
    assert info["email_verified"] is True
    assert list(info["urn:zitadel:iam:org:project:1001:roles"]) == ["user"]


async def test_scopes_that_were_not_asked_for_give_nothing(dev: DevDirectory) -> None:
    tokens = await tokens_of(dev, "bob", scope="openid", nonce=None)
    claims = await claims_of(dev, tokens["id_token"])
    assert "refresh_token" not in tokens
    assert claims["aud"] == ["generalbots"]
    assert "nonce" not in claims
    assert (await userinfo(dev, tokens["access_token"])).json() == {"sub": dev.user_id("bob")}


async def test_the_login_page_lists_the_users_and_runs_no_script(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        page = await browser.get(asking())
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "DEVELOPMENT" in page.text
    assert all(f">{name}</th>" in page.text for name in ("admin", "alice", "bob"))
    assert "<script" not in page.text
    assert not re.search(r"\son[a-z]+=", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    nonce = re.search(r"'nonce-([0-9a-f]+)'", policy)
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in page.text


async def test_cookies_are_for_the_directory_alone(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        answer = await submit(browser, await browser.get(asking()), "alice", "alice")
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "path=/dev-directory", "samesite=lax"} <= set(cookie.split("; "))


async def test_a_login_hint_is_filled_in_and_cannot_break_out_of_the_page(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        page = await browser.get(asking(login_hint='"><script>alert(1)</script>'))
    assert "<script" not in page.text
    assert 'value="&quot;&gt;&lt;script&gt;' in page.text


@pytest.mark.parametrize(("username", "password"), [("alice", "bob"), ("alice", ""), ("nobody", "nobody"), ("", "")])
async def test_a_wrong_password_shows_the_form_again(dev: DevDirectory, username: str, password: str) -> None:
    async with browser_of(dev) as browser:
        again = await submit(browser, await browser.get(asking()), username, password)
        assert again.status_code == 403
        assert "Username or password is wrong." in again.text
        assert answer_of(await submit(browser, again, "alice", "alice"))["state"] == "the state"


async def test_the_form_without_its_token_is_403(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        action, _ = form_of(await browser.get(asking()))
        answer = await browser.post(action, data={"username": "alice", "password": "alice"})
    assert (answer.status_code, "location" in answer.headers) == (403, False)


async def test_the_form_of_another_browser_is_403(dev: DevDirectory) -> None:
    async with browser_of(dev) as attacker, browser_of(dev) as victim:
        planted = await attacker.get(asking())
        await victim.get(asking())
        answer = await submit(victim, planted, "alice", "alice")
    assert (answer.status_code, "location" in answer.headers) == (403, False)


async def test_a_form_is_good_for_an_hour(dev: DevDirectory, clock: ManualClock) -> None:
    async with browser_of(dev) as browser:
        page = await browser.get(asking())
        clock.advance(3_600)
        assert (await submit(browser, page, "alice", "alice")).status_code == 403


async def test_two_tabs_log_in_side_by_side(dev: DevDirectory) -> None:
    async with browser_of(dev) as browser:
        pages = [await browser.get(asking(state=state)) for state in ("one", "two")]
        states = [answer_of(await submit(browser, page, "alice", "alice"))["state"] for page in pages]
    assert states == ["one", "two"]
