"""The development directory: restarts, and the levers that tests pull."""

from __future__ import annotations

import pytest
from joserfc.errors import JoseError

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import (
    ISSUER,
    KEY,
    Json,
    asking,
    browser_of,
    call,
    claims_of,
    code_for,
    directory,
    exchange,
    refresh,
    submit,
    tokens_of,
    userinfo,
)

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio


async def is_active(dev: DevDirectory, token: str) -> bool:
    answer: Json = (await call(dev, "/oauth/v2/introspect", token=token)).json()
    return answer["active"] is True


async def test_a_login_survives_a_restart(dev: DevDirectory, clock: ManualClock) -> None:
    tokens = await tokens_of(dev)
    restarted = directory(clock, signing_key=None)
    assert (await userinfo(restarted, tokens["access_token"])).json()["sub"] == dev.user_id("alice")
    renewed = await refresh(restarted, tokens["refresh_token"])
    assert renewed.status_code == 200
    assert (await claims_of(restarted, renewed.json()["id_token"]))["sub"] == dev.user_id("alice")
    assert (await refresh(restarted, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_secret_keys_rotate(clock: ManualClock) -> None:
    old, new = "an old secret key of 32 bytes or more", "a new secret key of 32 bytes or more"
    tokens = await tokens_of(directory(clock, secret_keys=[old]))
    assert (await refresh(directory(clock, secret_keys=[old, new]), tokens["refresh_token"])).status_code == 200
    gone = directory(clock, secret_keys=[new])
    assert (await refresh(gone, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_two_directories_with_one_key_do_not_take_each_other_s_tokens(clock: ManualClock) -> None:
    tokens = await tokens_of(directory(clock))
    other = DevDirectory("http://localhost:9000", secret_keys=[KEY], clock=clock)
    async with browser_of(other) as client:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("http://localhost:9000/oidc/v1/userinfo", headers=headers)).status_code == 401


async def test_a_deactivated_user_is_out_and_stays_logged_out(dev: DevDirectory) -> None:
    tokens, code = await tokens_of(dev), await code_for(dev)
    dev.deactivate("alice")
    for _ in range(2):
        assert (await userinfo(dev, tokens["access_token"])).status_code == 401
        assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"
        assert not await is_active(dev, tokens["access_token"])
        dev.activate("alice")
    assert (await exchange(dev, code)).json()["error"] == "invalid_grant"
    assert (await userinfo(dev, (await tokens_of(dev))["access_token"])).status_code == 200


async def test_a_deactivated_user_cannot_log_in(dev: DevDirectory) -> None:
    dev.deactivate("alice")
    async with browser_of(dev) as browser:
        page = await browser.get(asking())
        assert "(deactivated)" in page.text
        assert (await submit(browser, page, "alice", "alice")).status_code == 403


async def test_revoke_everything_ends_all_that_was_given_before(dev: DevDirectory) -> None:
    before = [await tokens_of(dev, name) for name in ("alice", "bob")]
    dev.revoke_everything()
    for tokens in before:
        assert (await userinfo(dev, tokens["access_token"])).status_code == 401
        assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await userinfo(dev, (await tokens_of(dev))["access_token"])).status_code == 200


async def test_a_rotated_key_signs_and_the_one_before_stays_until_the_next(dev: DevDirectory) -> None:
    first = (await tokens_of(dev))["id_token"]
    dev.rotate_key()
    second = (await tokens_of(dev))["id_token"]
    assert (await claims_of(dev, first))["sub"] == (await claims_of(dev, second))["sub"]
    dev.rotate_key()
    assert (await claims_of(dev, second))["sub"]
    with pytest.raises((JoseError, ValueError)):
        await claims_of(dev, first)


async def test_published_keys_are_public(dev: DevDirectory) -> None:
    dev.rotate_key()
    async with browser_of(dev) as client:
        keys = (await client.get(f"{ISSUER}/oauth/v2/keys")).json()["keys"]
    assert [set(key) for key in keys] == [{"kty", "kid", "use", "alg", "n", "e"}] * 2


async def test_down_is_a_page_with_503_everywhere(dev: DevDirectory) -> None:
    tokens = await tokens_of(dev)
    dev.set_down(True)
    async with browser_of(dev) as client:
        for path in ("/.well-known/openid-configuration", "/oauth/v2/keys", "/oidc/v1/userinfo", "/nowhere"):
            answer = await client.get(ISSUER + path)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (503, "text/html")
    dev.set_down(False)
    assert (await userinfo(dev, tokens["access_token"])).status_code == 200


async def test_roles_change_at_once(dev: DevDirectory) -> None:
    tokens = await tokens_of(dev)
    dev.set_roles("alice", ["admin", "user"])
    info = (await userinfo(dev, tokens["access_token"])).json()
    assert list(info["urn:zitadel:iam:org:project:roles"]) == ["admin", "user"]
    dev.set_roles("alice", [])
    assert "urn:zitadel:iam:org:project:roles" not in (await userinfo(dev, tokens["access_token"])).json()
