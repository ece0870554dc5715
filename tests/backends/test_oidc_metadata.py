"""What a provider says of itself, and its keys: checked before use, kept, renewed, held on to."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.errors import BadGateway, Unavailable
from tests.backends.oidc_forge import CLIENT, ISSUER, TinyOp

pytestmark = pytest.mark.anyio

DISCOVERY = "/.well-known/openid-configuration"
DOWN = httpx2.Response(503, text="<h1>down</h1>")
HOUR, DAY = 3_600, 86_400


async def begin(op: TinyOp, directory: OidcDirectory) -> str:
    return await directory.authorization_url(op.pending(), "the state")


WRONG: dict[str, dict[str, Any]] = {
    "a slash more": {"issuer": f"{ISSUER}/"},
    "another case": {"issuer": ISSUER.upper()},
    "another issuer": {"issuer": "https://elsewhere.example"},
    "no issuer": {"issuer": None},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": None},
    "http": {"token_endpoint": "http://op.example/token"},
    "http on loopback": {"jwks_uri": "http://127.0.0.1/keys"},
    "http where tokens are revoked": {"revocation_endpoint": "http://op.example/revoke"},
    "no URL": {"userinfo_endpoint": "/userinfo"},
    "a user in it": {"authorization_endpoint": "https://user@op.example/authorize"},
    "a bad port": {"authorization_endpoint": "https://op.example:x/authorize"},
    "a fragment": {"authorization_endpoint": "https://op.example/authorize#"},
    "another scheme": {"end_session_endpoint": "javascript:alert(1)//x"},
    "no text": {"token_endpoint": 5},
    "no list": {"id_token_signing_alg_values_supported": "RS256"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_metadata_that_is_not_to_be_trusted_is_not_used(changes: dict[str, Any]) -> None:
    op = TinyOp(metadata=changes)
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await begin(op, directory)
        with pytest.raises(BadGateway):
            await directory.ping()
    assert set(op.calls) == {DISCOVERY}


NO_METADATA = [
    DOWN,
    httpx2.Response(404, text="no"),
    httpx2.Response(302, headers={"location": f"{ISSUER}/elsewhere"}),
    httpx2.Response(200, text="<h1>hello</h1>"),
    httpx2.Response(200, json=[]),
    httpx2.Response(200, content=b'{"issuer":"https://op.example","issuer":"https://op.example"}'),
    httpx2.ConnectError("refused"),
]


@pytest.mark.parametrize("answer", NO_METADATA, ids=str)
async def test_without_metadata_a_login_is_unavailable(answer: httpx2.Response | Exception) -> None:
    op = TinyOp(bent={DISCOVERY: answer})
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await begin(op, directory)
    assert set(op.calls) == {DISCOVERY}


GOOD_ISSUERS = [
    ("https://id.example", False),
    ("https://id.example/realms/one", False),
    ("http://127.0.0.1:8080/dev", True),
    ("http://localhost", True),
    ("http://[::1]:8080", True),
]
BAD_ISSUERS = [
    ("http://127.0.0.1:8080", False),
    ("http://id.example", True),
    ("http://127.0.0.1.evil.example", True),
    ("https://id.example?x=1", False),
    ("https://id.example#x", False),
    ("https://me@id.example", False),
    ("id.example", False),
    ("", True),
]


@pytest.mark.parametrize(("issuer", "for_development"), GOOD_ISSUERS)
def test_the_issuer_is_an_https_url_or_for_development_on_loopback(issuer: str, for_development: bool) -> None:
    directory = OidcDirectory(issuer, CLIENT, for_development=for_development)
    assert (directory.issuer, directory.is_for_development) == (issuer, for_development)


@pytest.mark.parametrize(("issuer", "for_development"), BAD_ISSUERS)
def test_another_issuer_is_refused_at_once(issuer: str, for_development: bool) -> None:
    with pytest.raises(ValueError, match=r"^issuer: "):
        OidcDirectory(issuer, CLIENT, for_development=for_development)


async def test_a_slash_at_the_end_of_the_issuer_stays_in_it_but_not_in_the_address() -> None:
    op = TinyOp(metadata={"issuer": f"{ISSUER}/realm/"})
    op.bent["/realm/.well-known/openid-configuration"] = lambda _: op._good(DISCOVERY)
    async with OidcDirectory(f"{ISSUER}/realm/", CLIENT, transport=op, clock=op.clock) as directory:
        assert (await begin(op, directory)).startswith(f"{ISSUER}/authorize")


async def test_ping_asks_now() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await directory.ping()
        await directory.ping()
        assert op.calls[DISCOVERY] == 2
        op.bent[DISCOVERY] = DOWN
        with pytest.raises(Unavailable):
            await directory.ping()


async def test_opening_the_directory_sends_nothing() -> None:
    op = TinyOp()
    async with op.directory():
        pass
    assert not op.requests
