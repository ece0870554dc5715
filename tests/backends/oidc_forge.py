"""A token forge and a tiny provider for the tests of the OIDC client: every answer can be bent."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from inspect import isawaitable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from generalbots_api.auth.model import AuthorizationAnswer, Grant, Identity, PendingLogin, Secret
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.testing import ManualClock

ISSUER = "https://op.example"
CLIENT = "client one"  # with a space, so that form-urlencoding shows
SECRET = "s3cr:t/+&%"
CALLBACK = "https://app.example/auth/callback"
NOW = int(ManualClock().unix())
ACCESS = "access-token-1"

Answer = httpx2.Response | Exception
Bent = Answer | Callable[[httpx2.Request], Answer | Awaitable[Answer]]


@cache
def new_key(kind: str, kid: str = "k1") -> Key:
    """The same key for the same words."""
    match kind:
        case "ES":
            return ECKey.generate_key("P-256", {"kid": kid})
        case "ES384":
            return ECKey.generate_key("P-384", {"kid": kid})
        case "ES512":
            return ECKey.generate_key("P-521", {"kid": kid})
        case "Ed":
            return OKPKey.generate_key("Ed25519", {"kid": kid})
        case "HS":
            return OctKey.generate_key(256, {"kid": kid})
        case size:
            return RSAKey.generate_key(int(size), {"kid": kid})


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(claims: object, header: dict[str, Any] | None = None, key: Key | None = None) -> str:
    """A signed token, whatever its claims and its header say. Bytes go in as they are."""
    key = key or new_key("2048")
    header = {"alg": "RS256", "kid": key.kid, **(header or {})}
    header = {name: value for name, value in header.items() if value is not None}
    signed = f"{part(header)}.{part(claims)}"
    algorithm = jws.JWSRegistry.algorithms[header["alg"]]
    return f"{signed}.{part(algorithm.sign(signed.encode(), key))}"


def id_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good id token; None leaves one out."""
    claims = {
        "iss": ISSUER,
        "sub": "42",
        "aud": [CLIENT],
        "iat": NOW,
        "exp": NOW + 300,
        "nonce": "the nonce",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def published(*keys: Key) -> list[dict[str, Any]]:
    return [{**key.as_dict(private=False), "use": "sig"} for key in keys]


def half_hash(text: str, name: str = "sha256") -> str:
    digest = hashlib.new(name, text.encode()).digest()
    return part(digest[: len(digest) // 2])


@dataclass
class TinyOp(httpx2.AsyncBaseTransport):
    """Answers what a good provider does, but for the paths that a test has bent."""

    clock: ManualClock = field(default_factory=ManualClock)
    keys: list[Key] = field(default_factory=lambda: [new_key("2048")])
    bent: dict[str, Bent] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)  # changes to the token answer; None leaves out
    info: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)  # changes to the id token
    nonce: str = ""
    requests: list[httpx2.Request] = field(default_factory=list)

    @property
    def calls(self) -> Counter[str]:
        return Counter(request.url.path for request in self.requests)

    def directory(self, **options: Any) -> OidcDirectory:
        return OidcDirectory(ISSUER, CLIENT, SECRET, **{"transport": self, "clock": self.clock, **options})

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        path = request.url.path
        answer = self.bent[path] if path in self.bent else self._good(path)
        if not isinstance(answer, (httpx2.Response, Exception)):
            made = answer(request)
            answer = await made if isawaitable(made) else made
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def _good(self, path: str) -> httpx2.Response:
        match path:
            case "/.well-known/openid-configuration":
                return httpx2.Response(200, json=without_none({**discovery(), **self.metadata}))
            case "/keys":
                return httpx2.Response(200, json={"keys": published(*self.keys)})
            case "/token":
                return httpx2.Response(200, json=self.tokens())
            case "/userinfo":
                return httpx2.Response(200, json={"sub": "42", "name": "Ada Lovelace", **self.info})
            case "/revoke":
                return httpx2.Response(200)
        return httpx2.Response(404, text="<h1>Not Found</h1>")

    def tokens(self) -> dict[str, Any]:
        now = int(self.clock.unix())
        claims = id_claims(nonce=self.nonce or None, iat=now, exp=now + 300, sid="s1")
        answer = {
            "access_token": ACCESS,
            "refresh_token": "refresh-token-1",
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": forged(without_none({**claims, **self.claims}), key=self.keys[0]),
            **self.token,
        }
        return without_none(answer)

    async def log_in(self, directory: OidcDirectory, **answer: Any) -> tuple[Grant, Identity]:
        """From the redirect to the end of the callback, without the browser."""
        pending = self.pending()
        url = await directory.authorization_url(pending, "the state")
        self.nonce = parse_qs(urlsplit(url).query)["nonce"][0]
        return await directory.finish(answer_of(**answer), pending, self.clock.now())

    def pending(self) -> PendingLogin:
        now = self.clock.now()
        return PendingLogin(
            state_hash=b"",
            browser="b",
            nonce=secrets.token_urlsafe(32),
            verifier=Secret(secrets.token_urlsafe(32)),
            redirect_uri=CALLBACK,
            target="/",
            created_at=now,
            expires_at=now,
        )


def answer_of(**changes: Any) -> AuthorizationAnswer:
    return AuthorizationAnswer(**{"code": "the code", "state": "the state", **changes})


def discovery() -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize?tenant=1",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/keys",
        "userinfo_endpoint": f"{ISSUER}/userinfo",
        "revocation_endpoint": f"{ISSUER}/revoke",
        "end_session_endpoint": f"{ISSUER}/end_session",
        "code_challenge_methods_supported": ["plain", "S256"],
    }


def without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one is not None}
