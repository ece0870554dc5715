"""The id token, claim by claim, header by header. Source: OIDC Core 3.1.3.7, RFC 7515, RFC 8725."""

from __future__ import annotations

from typing import Any

import pytest

from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint, FromNow, Signature
from tests.login_checks.stage import CLIENT, ISSUER, Stage

pytestmark = pytest.mark.anyio

FOREIGN_KEY = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
LIES: dict[str, list[dict[str, Any]]] = {
    "three parts": [{"parts": parts} for parts in (1, 2, 4, 5)],
    "16 KiB": [{"id_token_size": 16_384}],
    "alg": [
        *({"algorithm": name} for name in ("none", "HS256")),
        *({"header": {"alg": name}} for name in ("HS256", "RS1", "rs256", "", None, 5, ["RS256"], LEFT_OUT)),
        {"header": {"alg": "none"}, "signature": Signature.EMPTY},
        {"header": {"alg": "PS256"}},
        {"header": {"alg": "ES256"}},
    ],
    "alg in the metadata": [
        {"metadata": {"id_token_signing_alg_values_supported": ["ES256"]}},
        {"metadata": {"id_token_signing_alg_values_supported": ["none", "ES256"]}, "algorithm": "none"},
        {"metadata": {"id_token_signing_alg_values_supported": ["HS256", "ES256"]}, "algorithm": "HS256"},
        {"metadata": {"id_token_signing_alg_values_supported": LEFT_OUT}, "algorithm": "ES256"},  # then it is RS256
    ],
    "key named in the header": [
        {"embeds_key": True, "signature": Signature.OTHER_KEY},
        {"embeds_key": True, "signature": Signature.OTHER_KEY, "header": {"kid": LEFT_OUT}},
        {"embeds_key": True, "signature": Signature.OTHER_KEY, "header": {"kid": "mine"}},
        {"signature": Signature.OTHER_KEY, "header": {"jku": "https://evil.example/keys", "kid": "mine"}},
        {"signature": Signature.OTHER_KEY, "header": {"x5u": "https://evil.example/cert", "kid": "mine"}},
    ],
    "crit": [
        {"header": {"crit": ["exp"], "exp": 1}},
        {"header": {"crit": ["b64"], "b64": True}},
        {"header": {"crit": []}},
    ],
    "signature": [{"signature": kind} for kind in Signature if kind is not Signature.GOOD]
    + [{"signature": Signature.WRONG, "algorithm": name} for name in ("PS256", "ES256", "EdDSA")],
    "kid": [{"header": {"kid": kid}} for kid in ("unknown", "", 5, None, ["2048-1"], "2048-1 ")],
    "iss": [{"claims": {"iss": iss}} for iss in (LEFT_OUT, None, "", f"{ISSUER}/", "HTTPS://op.example", [ISSUER], 5)],
    "aud": [
        *(
            {"claims": {"aud": aud}}
            for aud in (LEFT_OUT, None, "", [], "another", ["another"], CLIENT + "x", {CLIENT: 1})
        ),
        {"claims": {"aud": "another", "azp": CLIENT}},
    ],
    "azp": [
        {"claims": {"aud": [CLIENT, "another"]}},
        {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
        {"claims": {"aud": [CLIENT, "another"], "azp": [CLIENT]}},
        {"claims": {"azp": "another"}},
    ],
    "sub": [
        {"claims": {"sub": sub}} for sub in (LEFT_OUT, None, "", 42, ["42"], {"42": 1}, "x" * 256, "4\u00002", "4\t2")
    ],
    "exp": [
        {"claims": {"exp": exp}} for exp in (LEFT_OUT, None, True, FromNow(300, is_text=True), FromNow(-30), -1, 1e300)
    ],
    "iat": [
        {"claims": {"iat": iat}} for iat in (LEFT_OUT, None, False, FromNow(0, is_text=True), FromNow(31), FromNow(-31))
    ],
    "nbf": [{"claims": {"nbf": nbf}} for nbf in (None, True, FromNow(0, is_text=True), FromNow(31))],
    "nonce": [{"claims": {"nonce": nonce}} for nonce in (LEFT_OUT, None, "", "another", ["another"])],
    "at_hash": [{"claims": {"at_hash": value}} for value in (None, "", "another", 5, "A" * 22)],
    "keys twice": [
        *({"repeated_claim": name} for name in ("sub", "iss", "nonce", "exp")),
        *({"repeated_in_header": name} for name in ("alg", "kid")),
    ],
}
EACH = [pytest.param(lie, id=f"{check}-{number}") for check, lies in LIES.items() for number, lie in enumerate(lies)]


@pytest.mark.parametrize("lie", EACH)
async def test_an_id_token_that_fails_a_check_logs_nobody_in(stage: Stage, lie: dict[str, Any]) -> None:
    stage.lie(**lie)
    await stage.refused(401)
    assert stage.op.calls[Endpoint.USERINFO] == 2  # of the honest login: a token that fails is used for nothing


GOOD: dict[str, dict[str, Any]] = {
    **{f"alg {name}": {"algorithm": name} for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    **{f"alg {name}": {"algorithm": name} for name in ("ES256", "ES384", "ES512", "EdDSA")},
    "no alg in the metadata": {"metadata": {"id_token_signing_alg_values_supported": LEFT_OUT}},
    "15 KiB": {"id_token_size": 11_000},
    "a key in the header, ignored": {"embeds_key": True},
    "other headers, ignored": {"header": {"jku": "https://evil.example", "x5u": 5, "jwk": FOREIGN_KEY, "cty": "x"}},
    "no kid": {"header": {"kid": LEFT_OUT}},
    "no kid anywhere": {"header": {"kid": LEFT_OUT}, "key": {"kid": LEFT_OUT}},
    "aud as a list": {"claims": {"aud": [CLIENT]}},
    "several aud and azp": {"claims": {"aud": ["project", CLIENT], "azp": CLIENT}},
    "exp within the leeway": {"claims": {"exp": FromNow(-29)}},
    "iat within the leeway": {"claims": {"iat": FromNow(-30)}},
    "iat ahead within the leeway": {"claims": {"iat": FromNow(30)}},
    "nbf ahead within the leeway": {"claims": {"nbf": FromNow(30)}},
    "fractions of seconds": {"claims": {"iat": FromNow(0.5)}},
    "no at_hash": {"claims": {"at_hash": LEFT_OUT}},
}


@pytest.mark.parametrize("faults", GOOD.values(), ids=GOOD)
async def test_an_id_token_that_passes_them_all_logs_its_subject_in(stage: Stage, faults: dict[str, Any]) -> None:
    stage.lie(**faults)
    await stage.log_in_well()


async def test_a_subject_of_255_characters_logs_in(stage: Stage) -> None:
    stage.op.user["sub"] = "x" * 255
    await stage.log_in_well()


async def test_an_id_token_of_another_login_logs_nobody_in(stage: Stage) -> None:
    """With the claims of its own login all is well; with those of an older one `iat` is before the transaction."""
    stage.clock.advance(3_600)
    stage.lie(claims={"iat": FromNow(-3_600), "exp": FromNow(3_600)})
    await stage.refused(401)


async def test_a_logout_token_is_no_id_token(stage: Stage) -> None:
    stage.lie(token={"id_token": stage.op.logout_token()})
    await stage.refused(401)
