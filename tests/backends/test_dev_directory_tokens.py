"""The development directory: codes, client authentication, refresh, revocation, introspection, restarts."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_plus

import anyio
import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import (
    CALLBACK,
    CHALLENGE,
    ISSUER,
    VERIFIER,
    Json,
    browser_of,
    call,
    claims_of,
    code_for,
    directory,
    exchange,
    refresh,
    tokens_of,
    userinfo,
)

pytest_plugins = ["tests.backends.dev_provider_fixtures"]
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "v" * 42}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://localhost:8080/auth/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound_to_verifier_and_address(dev: DevDirectory, changes: dict[str, str], error: str) -> None:
    answer = await exchange(dev, await code_for(dev), **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_a_code_that_failed_its_proof_is_used_up(dev: DevDirectory) -> None:
    code = await code_for(dev)
    await exchange(dev, code, code_verifier="w" * 43)
    assert (await exchange(dev, code)).json()["error"] == "invalid_grant"


async def test_a_code_is_good_for_a_minute(dev: DevDirectory, clock: ManualClock) -> None:
    codes = [await code_for(dev), await code_for(dev)]
    clock.advance(59)
    assert (await exchange(dev, codes[0])).status_code == 200
    clock.advance(1)
    assert (await exchange(dev, codes[1])).json()["error"] == "invalid_grant"


async def test_a_code_that_comes_twice_revokes_what_it_gave(dev: DevDirectory) -> None:
    code, bystander = await code_for(dev), await tokens_of(dev)
    tokens = (await exchange(dev, code)).json()
    assert (await exchange(dev, code)).json()["error"] == "invalid_grant"
    assert (await userinfo(dev, tokens["access_token"])).status_code == 401
    assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await userinfo(dev, bystander["access_token"])).status_code == 200


# Client authentication


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


async def test_basic_credentials_are_form_urlencoded() -> None:
    dev = directory(client_id="a client:1", client_secret="100% s&cret: ä+")
    async with browser_of(dev) as client:
        answer = await client.post(
            f"{ISSUER}/oauth/v2/introspect", data={"token": "x"}, headers=basic(dev.client_id, dev.client_secret)
        )
    assert (answer.status_code, answer.json()) == (200, {"active": False})


@pytest.mark.parametrize("path", ["/oauth/v2/token", "/oauth/v2/revoke", "/oauth/v2/introspect"])
@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"client_id": "generalbots"}, {}),
        ({"client_id": "generalbots", "client_secret": ""}, {}),
        ({"client_id": "generalbots", "client_secret": "wrong"}, {}),
        ({}, basic("generalbots", "wrong")),
        ({}, {"Authorization": "Basic ???"}),
        ({}, {"Authorization": "Bearer x"}),
    ],
)
async def test_a_client_that_does_not_show_who_it_is_is_401(
    dev: DevDirectory, path: str, fields: dict[str, str], headers: dict[str, str]
) -> None:
    async with browser_of(dev) as client:
        answer = await client.post(ISSUER + path, data={"token": "x", **fields}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_client_that_shows_itself_in_two_ways_is_refused(dev: DevDirectory) -> None:
    async with browser_of(dev) as client:
        answer = await client.post(
            f"{ISSUER}/oauth/v2/revoke",
            data={"token": "x", "client_secret": dev.client_secret},
            headers=basic(dev.client_id, dev.client_secret),
        )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_public_client_shows_no_secret() -> None:
    dev = directory(client_secret="")
    code = await code_for(dev)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    async with browser_of(dev) as client:
        answer = await client.post(f"{ISSUER}/oauth/v2/token", data={**fields, "client_id": dev.client_id})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (json.dumps({"grant_type": "refresh_token"}).encode(), "application/json", 400),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=1" % number for number in range(60)), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_no_form_is_refused(dev: DevDirectory, body: bytes, kind: str, status: int) -> None:
    async with browser_of(dev) as client:
        answer = await client.post(f"{ISSUER}/oauth/v2/token", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


# Refresh


async def test_a_refresh_gives_new_tokens_of_the_same_login(dev: DevDirectory, clock: ManualClock) -> None:
    first = await tokens_of(dev)
    clock.advance(1_000)
    second = (await refresh(dev, first["refresh_token"])).json()
    before, after = await claims_of(dev, first["id_token"]), await claims_of(dev, second["id_token"])
    assert len({first["access_token"], second["access_token"], first["refresh_token"], second["refresh_token"]}) == 4
    assert "nonce" not in after
    assert after["iat"] == before["iat"] + 1_000
    assert [after[name] for name in ("sub", "sid", "auth_time")] == [
        before[name] for name in ("sub", "sid", "auth_time")
    ]
    for tokens in (first, second):
        assert (await userinfo(dev, tokens["access_token"])).status_code == 200


async def test_a_refresh_token_that_comes_twice_revokes_the_whole_login(dev: DevDirectory) -> None:
    first = await tokens_of(dev)
    second = (await refresh(dev, first["refresh_token"])).json()
    again = await refresh(dev, first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await refresh(dev, second["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in (first, second):
        assert (await userinfo(dev, tokens["access_token"])).status_code == 401


async def test_of_two_refreshes_at_once_one_wins(dev: DevDirectory) -> None:
    token, statuses = (await tokens_of(dev))["refresh_token"], []

    async def try_it() -> None:
        statuses.append((await refresh(dev, token)).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(try_it)
    assert sorted(statuses) == [200, 400, 400, 400, 400]


async def test_a_refresh_may_ask_for_fewer_scopes_but_not_for_more(dev: DevDirectory) -> None:
    token = (await tokens_of(dev, "bob", scope="openid email offline_access"))["refresh_token"]
    refused = await refresh(dev, token, scope="openid profile")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    fewer = (await refresh(dev, token, scope="openid")).json()
    assert fewer["scope"] == "openid"
    assert (await userinfo(dev, fewer["access_token"])).json() == {"sub": dev.user_id("bob")}
    whole = (await refresh(dev, fewer["refresh_token"])).json()
    assert whole["scope"] == "openid email offline_access"


async def test_tokens_expire(dev: DevDirectory, clock: ManualClock) -> None:
    tokens = await tokens_of(dev)
    clock.advance(3_599)
    assert (await userinfo(dev, tokens["access_token"])).status_code == 200
    clock.advance(1)
    answer = await userinfo(dev, tokens["access_token"])
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    clock.advance(30 * 86_400 - 3_600)
    assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_one_kind_of_token_is_not_the_other(dev: DevDirectory) -> None:
    tokens = await tokens_of(dev)
    assert (await refresh(dev, tokens["access_token"])).json()["error"] == "invalid_grant"
    for token in (tokens["refresh_token"], tokens["id_token"], tokens["access_token"][:-1], "access_", ""):
        assert (await userinfo(dev, token)).status_code == 401
    renamed = "access_" + tokens["refresh_token"].removeprefix("refresh_")
    assert (await userinfo(dev, renamed)).status_code == 401
    assert (await refresh(dev, renamed)).json()["error"] == "invalid_grant"


# Revocation and introspection


async def is_active(dev: DevDirectory, token: str) -> bool:
    answer: Json = (await call(dev, "/oauth/v2/introspect", token=token)).json()
    return answer["active"] is True


async def test_revoking_the_refresh_token_revokes_its_access_token(dev: DevDirectory) -> None:
    tokens, bystander = await tokens_of(dev), await tokens_of(dev)
    answer = await call(dev, "/oauth/v2/revoke", token=tokens["refresh_token"], token_type_hint="refresh_token")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await userinfo(dev, tokens["access_token"])).status_code == 401
    assert (await refresh(dev, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await is_active(dev, bystander["access_token"])


async def test_revoking_an_access_token_leaves_the_refresh_token(dev: DevDirectory) -> None:
    tokens = await tokens_of(dev)
    await call(dev, "/oauth/v2/revoke", token=tokens["access_token"], token_type_hint="refresh_token")
    assert (await userinfo(dev, tokens["access_token"])).status_code == 401
    again = (await refresh(dev, tokens["refresh_token"])).json()
    assert (await userinfo(dev, again["access_token"])).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "access_x.y", "\u00e4"])
async def test_revoking_what_is_not_known_is_200(dev: DevDirectory, token: str) -> None:
    assert (await call(dev, "/oauth/v2/revoke", token=token)).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/v2/revoke", "/oauth/v2/introspect"])
async def test_no_token_at_all_is_400(dev: DevDirectory, path: str) -> None:
    assert (await call(dev, path)).json()["error"] == "invalid_request"


async def test_introspection_tells_what_a_good_token_is(dev: DevDirectory, clock: ManualClock) -> None:
    tokens = await tokens_of(dev)
    found = (await call(dev, "/oauth/v2/introspect", token=tokens["access_token"])).json()
    wanted = {"active": True, "sub": dev.user_id("alice"), "client_id": "generalbots", "iss": ISSUER}
    wanted |= {"username": "alice", "token_type": "Bearer", "exp": int(clock.unix()) + 3_600}
    assert wanted.items() <= found.items()


async def test_introspection_of_any_other_token_tells_only_that(dev: DevDirectory, clock: ManualClock) -> None:
    spent = await tokens_of(dev)
    await refresh(dev, spent["refresh_token"])
    old = await tokens_of(dev)
    assert await is_active(dev, old["refresh_token"])
    clock.advance(3_600)
    for token in (spent["refresh_token"], old["access_token"], "unknown"):
        assert (await call(dev, "/oauth/v2/introspect", token=token)).json() == {"active": False}
