"""The code flow against a provider that can be bent: the callback's order, refresh, revocation, logout."""

from __future__ import annotations

import base64
import hashlib
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from generalbots_api.auth.model import Identity, Secret
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.errors import Unauthorized
from tests.backends.oidc_forge import (
    ACCESS,
    CALLBACK,
    CLIENT,
    ISSUER,
    SECRET,
    TinyOp,
    answer_of,
    forged,
    id_claims,
    new_key,
    part,
)

pytestmark = pytest.mark.anyio

DISCOVERY = "/.well-known/openid-configuration"
THEIRS = "words of the Directory"


async def test_the_browser_is_sent_there_with_pkce_state_and_nonce() -> None:
    op = TinyOp()
    pending = op.pending()
    async with op.directory() as directory:
        url = urlsplit(await directory.authorization_url(pending, "the state"))
    challenge = hashlib.sha256(pending.verifier.reveal().encode()).digest()
    assert url._replace(query="").geturl() == f"{ISSUER}/authorize"
    assert parse_qs(url.query) == {
        "tenant": ["1"],
        "response_type": ["code"],
        "client_id": [CLIENT],
        "redirect_uri": [CALLBACK],
        "scope": ["openid profile email offline_access"],
        "state": ["the state"],
        "nonce": [pending.nonce],
        "code_challenge": [part(challenge)],
        "code_challenge_method": ["S256"],
    }


async def test_a_login_gives_the_tokens_and_who_it_is() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, identity = await op.log_in(directory)
    assert identity == Identity(user_id="42", directory_session="s1", organization_id=None)  # type: ignore[arg-type] # a UserId
    assert (grant.access_token.reveal(), (grant.refresh_token or Secret("")).reveal()) == (ACCESS, "refresh-token-1")
    assert grant.expires_at == op.clock.now() + timedelta(seconds=3_600)
    assert op.calls == {DISCOVERY: 1, "/token": 1, "/keys": 1, "/userinfo": 1}


async def test_the_code_is_exchanged_with_verifier_and_form_urlencoded_credentials() -> None:
    op = TinyOp()
    pending = op.pending()
    op.nonce = pending.nonce
    async with op.directory() as directory:
        await directory.finish(answer_of(), pending, op.clock.now())
    request = next(one for one in op.requests if one.url.path == "/token")
    pair = base64.b64encode(b"client+one:s3cr%3At%2F%2B%26%25").decode()
    assert (request.method, request.headers["authorization"]) == ("POST", f"Basic {pair}")
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["the code"],
        "redirect_uri": [CALLBACK],
        "code_verifier": [pending.verifier.reveal()],
    }


@pytest.mark.parametrize("secret", [SECRET, None])
async def test_a_client_says_who_it_is_in_the_body_where_basic_is_not_known_or_there_is_no_secret(
    secret: str | None,
) -> None:
    op = TinyOp(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post", "none"]})
    async with OidcDirectory(ISSUER, CLIENT, secret, transport=op, clock=op.clock) as directory:
        await op.log_in(directory)
    request = next(one for one in op.requests if one.url.path == "/token")
    form = parse_qs(request.content.decode())
    assert "authorization" not in request.headers
    assert (form["client_id"], form.get("client_secret")) == ([CLIENT], [secret] if secret else None)


WRONG_ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another issuer": ({"issuer": "https://elsewhere.example"}, {}),
    "another issuer's error": ({"issuer": "https://elsewhere.example", "error": "access_denied"}, {}),
    "an empty issuer": ({"issuer": ""}, {}),
    "no issuer, though it was promised": ({}, {"authorization_response_iss_parameter_supported": True}),
    "an error": ({"error": THEIRS, "code": None}, {}),
    "an error beside a code": ({"error": "access_denied"}, {}),
    "no code": ({"code": None}, {}),
    "an empty code": ({"code": ""}, {}),
}


@pytest.mark.parametrize(("answer", "metadata"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
async def test_a_wrong_answer_is_refused_before_the_code_is_exchanged(
    answer: dict[str, Any], metadata: dict[str, Any]
) -> None:
    op = TinyOp(metadata=metadata)
    async with op.directory() as directory:
        with pytest.raises(Unauthorized) as caught:
            await op.log_in(directory, **answer)
    assert set(op.calls) == {DISCOVERY}
    assert THEIRS not in caught.value.message


async def test_the_issuer_of_the_answer_is_checked_where_it_is_given() -> None:
    op = TinyOp(metadata={"authorization_response_iss_parameter_supported": True})
    async with op.directory() as directory:
        await op.log_in(directory, issuer=ISSUER)


REFUSED_TOKENS: dict[str, dict[str, Any]] = {
    "no token type": {"token_type": None},
    "another token type": {"token_type": "DPoP"},
    "no id token": {"id_token": None},
    "an empty id token": {"id_token": ""},
    "an id token that is none": {"id_token": "x"},
    "an id token of somebody else's key": {"id_token": forged(id_claims(), key=new_key("2048", "k2"))},
}


@pytest.mark.parametrize("token", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
async def test_tokens_that_fail_a_check_log_nobody_in(token: dict[str, Any]) -> None:
    op = TinyOp(token=token)
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await op.log_in(directory)
    assert op.calls["/token"] == 1
    assert "/userinfo" not in op.calls


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"iss": f"{ISSUER}/"},
        {"sub": ""},
        {"exp": 0},
        {"iat": id_claims()["iat"] - 31},
        {"at_hash": "x"},
    ],
    ids=str,
)
async def test_an_id_token_that_fails_a_check_logs_nobody_in(claims: dict[str, Any]) -> None:
    op = TinyOp(claims=claims)
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await op.log_in(directory)
    assert "/userinfo" not in op.calls


async def test_a_token_type_is_bearer_in_any_case() -> None:
    op = TinyOp(token={"token_type": "bEARER"})
    async with op.directory() as directory:
        await op.log_in(directory)


@pytest.mark.parametrize("sub", ["43", None, 42, ["42"]])
async def test_a_userinfo_of_somebody_else_logs_nobody_in(sub: object) -> None:
    op = TinyOp(info={"sub": sub})
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await op.log_in(directory)


async def test_the_log_holds_no_token_code_state_or_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    op = TinyOp(token={"access_token": "the-access-token", "refresh_token": "the-refresh-token"})
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory, code="the-code-of-it")
        await directory.refresh(grant, op.clock.now())
        await directory.revoke(grant)
        op.claims["nonce"] = "wrong"
        with pytest.raises(Unauthorized):
            await op.log_in(directory, code="the-code-of-it")
    logged = str([(record.getMessage(), vars(record)) for record in caplog.records])
    assert "login.refused" in logged
    for secret in ("the-access-token", "the-refresh-token", "the-code-of-it", "the state", SECRET, op.nonce, "eyJ"):
        assert secret not in logged
