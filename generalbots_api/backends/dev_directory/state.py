"""What the parts of the development directory share."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import URLSafeSerializer

from generalbots_api.backends.dev_directory.people import ORGANIZATION_ID, People, User
from generalbots_api.backends.dev_directory.tokens import ID_LIFETIME, SigningKeys, TokenData, Tokens, half_hash
from generalbots_api.clock import Clock

DOMAIN = "generalbots.example"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CODE_LIFETIME = 60  # seconds
MAX_CODES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code: good once, for a minute, for the client and the verifier it was made for."""

    user_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    scopes: list[str]
    family: str  # names the login; also the `sid`
    auth_unix: int
    expires_unix: float


@dataclass(slots=True, kw_only=True)
class State:
    issuer: str
    client_id: str
    client_secret: str
    project_id: str
    redirect_uris: Sequence[str] | None  # None: any of loopback that ends in /auth/callback
    backchannel_logout_uri: str | None
    people: People
    tokens: Tokens
    keys: SigningKeys
    cookies: URLSafeSerializer
    clock: Clock
    codes: dict[str, Code] = field(default_factory=dict)
    spent_codes: dict[str, str] = field(default_factory=dict)  # code -> family, to revoke it if it comes again
    is_down: bool = False

    def is_redirect_uri(self, uri: str) -> bool:
        if self.redirect_uris is not None:
            return uri in self.redirect_uris
        parts = urlsplit(uri)
        is_local = parts.hostname in LOOPBACK and not parts.fragment and not parts.username
        return is_local and parts.path.endswith("/auth/callback") and not parts.query

    def is_return_uri(self, uri: str) -> bool:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK

    def new_code(self, code: Code) -> str:
        name = secrets.token_urlsafe(32)
        self.codes[name] = code
        if len(self.codes) > MAX_CODES:
            del self.codes[next(iter(self.codes))]
        return name

    def user_of(self, token: str) -> tuple[User, TokenData] | None:
        """The active user that an access token is of."""
        data = self.tokens.read(token, "access")
        user = self.people.users.get(data.user_id) if data else None
        return (user, data) if user and data and user.is_active else None

    def id_token(self, user: User, code: Code, access_token: str) -> str:
        now = int(self.clock.unix())
        audiences = [self.client_id]
        if f"urn:zitadel:iam:org:project:id:{self.project_id}:aud" in code.scopes:
            audiences.append(self.project_id)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": user.id,
            "aud": audiences,
            "azp": self.client_id,
            "iat": now,
            "exp": now + ID_LIFETIME,
            "auth_time": code.auth_unix,
            "sid": code.family,
            "at_hash": half_hash(access_token),
            **self.zitadel_claims(user),
        }
        if code.nonce is not None:
            claims["nonce"] = code.nonce
        return self.keys.sign(claims)

    def zitadel_claims(self, user: User) -> dict[str, Any]:
        roles = {role: {ORGANIZATION_ID: DOMAIN} for role in sorted(user.roles)}
        claims: dict[str, Any] = {
            "urn:zitadel:iam:user:resourceowner:id": ORGANIZATION_ID,
            "urn:zitadel:iam:user:resourceowner:name": "General Bots",
        }
        if roles:
            claims["urn:zitadel:iam:org:project:roles"] = roles
            claims[f"urn:zitadel:iam:org:project:{self.project_id}:roles"] = roles
        return claims
