"""A browser and a client for the development directory, for its tests."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock

ORIGIN = "http://127.0.0.1:8080"
ISSUER = f"{ORIGIN}/dev-directory"
CALLBACK = f"{ORIGIN}/auth/callback"
KEY = "a secret key of the tests, 32 bytes and more"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ALL_SCOPES = (
    "openid profile email offline_access urn:zitadel:iam:org:projects:roles urn:zitadel:iam:org:project:id:1001:aud "
    "urn:zitadel:iam:org:project:id:zitadel:aud urn:zitadel:iam:user:resourceowner"
)
Json = dict[str, Any]
Ask = Callable[..., Awaitable[httpx2.Response]]


@cache
def signing_key() -> RSAKey:
    """One for all tests: making it takes longer than most of them."""
    return RSAKey.generate_key(2048)


def directory(clock: ManualClock | None = None, **options: Any) -> DevDirectory:
    settings: dict[str, Any] = {"secret_keys": [KEY], "signing_key": signing_key(), "clock": clock or ManualClock()}
    return DevDirectory(ISSUER, **{**settings, **options})


def browser_of(dev: DevDirectory) -> httpx2.AsyncClient:
    """A browser of its own: it keeps cookies, and follows nothing."""
    return httpx2.AsyncClient(transport=dev.transport(), base_url=ORIGIN)


def asking(**changes: str | None) -> str:
    """The URL of an authorization request; None leaves a parameter out."""
    asked: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "generalbots",
        "redirect_uri": CALLBACK,
        "scope": ALL_SCOPES,
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{ISSUER}/oauth/v2/authorize?{urlencode({k: v for k, v in asked.items() if v is not None})}"


def answer_of(response: httpx2.Response) -> dict[str, str]:
    """What a redirect tells the client."""
    assert response.status_code in (302, 303), response.text
    url = urlsplit(response.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(url.query).items()}


def form_of(page: httpx2.Response) -> tuple[str, str]:
    """Where the login form goes, and its token."""
    action, token = re.search(r'action="([^"]+)"', page.text), re.search(r'name="form" value="([^"]+)"', page.text)
    assert action is not None, page.text
    assert token is not None, page.text
    return action[1], token[1]


async def submit(browser: httpx2.AsyncClient, page: httpx2.Response, username: str, password: str) -> httpx2.Response:
    action, token = form_of(page)
    return await browser.post(action, data={"form": token, "username": username, "password": password})


async def code_for(dev: DevDirectory, username: str = "alice", **changes: str | None) -> str:
    async with browser_of(dev) as browser:
        page = await browser.get(asking(**changes))
        return answer_of(await submit(browser, page, username, username))["code"]


async def call(dev: DevDirectory, path: str, **fields: str) -> httpx2.Response:
    """A call of the client's, by client_secret_post."""
    async with browser_of(dev) as client:
        secret = {"client_id": dev.client_id, "client_secret": dev.client_secret}
        return await client.post(f"{ISSUER}{path}", data={**secret, **fields})


async def exchange(dev: DevDirectory, code: str, /, **changes: str) -> httpx2.Response:
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await call(dev, "/oauth/v2/token", **{**fields, **changes})


async def tokens_of(dev: DevDirectory, username: str = "alice", **changes: str | None) -> Json:
    """All that a login gives."""
    response = await exchange(dev, await code_for(dev, username, **changes))
    assert response.status_code == 200, response.text
    tokens: Json = response.json()
    return tokens


async def refresh(dev: DevDirectory, token: str, **changes: str) -> httpx2.Response:
    return await call(dev, "/oauth/v2/token", grant_type="refresh_token", refresh_token=token, **changes)


async def userinfo(dev: DevDirectory, token: str) -> httpx2.Response:
    async with browser_of(dev) as client:
        return await client.get(f"{ISSUER}/oidc/v1/userinfo", headers={"Authorization": f"Bearer {token}"})


async def claims_of(dev: DevDirectory, id_token: str) -> Json:
    """The claims, checked with the published keys."""
    async with browser_of(dev) as client:
        keys = KeySet.import_key_set((await client.get(f"{ISSUER}/oauth/v2/keys")).json())
    return dict(jwt.decode(id_token, keys, algorithms=["RS256"]).claims)


def failure(response: httpx2.Response) -> tuple[int, str]:
    """The status and the code of an error in Connect's form."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"code", "message", "details"}
    assert body["details"] == []
    assert body["message"]
    return response.status_code, body["code"]
