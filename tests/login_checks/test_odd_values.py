"""Values of any shape where the provider should say something sensible: refused or taken, never our failure."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.login_checks.stage import Stage

pytestmark = pytest.mark.anyio

ODD: list[Any] = [None, True, 10**400, "\ud800", "é" * 300, [[]], {"a": None}]
ODD_FOR_QUERIES = [value for value in ODD if value != "\ud800"]  # no query can spell it
FIELDS = {
    "claims": ["iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "sid"],
    "header": ["alg", "kid", "typ", "crit", "jwk"],
    "token": ["access_token", "token_type", "id_token", "refresh_token", "expires_in", "error"],
    "userinfo": ["sub", "email", "name", "roles", "groups"],
    "key": ["kty", "kid", "use", "alg", "key_ops", "n", "e"],
    "key_set": ["keys", "other"],
}
METADATA = [
    *("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint"),
    *("end_session_endpoint", "id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported"),
    *("code_challenge_methods_supported", "authorization_response_iss_parameter_supported"),
]


@pytest.mark.parametrize("place", FIELDS)
async def test_an_odd_value_is_refused_or_taken_but_is_never_our_failure(stage: Stage, place: str) -> None:
    for name in FIELDS[place]:
        for value in ODD:
            stage.lie(**{place: {name: value}})
            before = await stage.sessions()
            answer = await stage.log_in()
            stage.clock.advance(600)  # so that the keys are fetched again
            assert answer.status_code in (303, 401, 502, 503), (name, value, answer.text)
            if answer.status_code != 303:
                assert "set-cookie" not in answer.headers
                assert await stage.sessions() <= before
    await stage.recover()
    await stage.log_in_well()


async def test_odd_metadata_sends_nobody_anywhere_or_works(stage: Stage) -> None:
    for name in METADATA:
        for value in ODD:
            stage.lie(metadata={name: value})
            stage.clock.advance(3_600)
            await stage.browser.get("/auth/login")
            await anyio.wait_all_tasks_blocked()  # renewed behind the scenes
            answer = await stage.browser.get("/auth/login")
            assert answer.status_code in (302, 503), (name, value, answer.text)


async def test_an_odd_answer_is_refused_or_taken_but_is_never_our_failure(stage: Stage) -> None:
    for name in ("state", "code", "iss", "error", "session_state"):
        for value in ODD_FOR_QUERIES:
            stage.lie(answer={name: value})
            answer = await stage.log_in()
            assert answer.status_code in (303, 400, 401), (name, value, answer.text)
