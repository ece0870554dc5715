"""The directory's tokens: self-contained and signed, so that a login survives a restart; id tokens by RS256."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer
from joserfc import jwt
from joserfc.jwk import RSAKey

from generalbots_api.clock import Clock

ACCESS_LIFETIME = 3_600  # seconds
REFRESH_LIFETIME = 30 * 86_400
ID_LIFETIME = 3_600
MAX_REMEMBERED = 10_000
V = TypeVar("V")


class TokenData(msgspec.Struct, frozen=True):
    """What a token says. `family` is the login that it began with, `serial` its place in the rotation."""

    kind: str  # "access" or "refresh"
    user_id: str
    family: str
    serial: int
    scopes: list[str]
    client_id: str
    expires_unix: float


@dataclass(slots=True)
class Tokens:
    """Makes and reads access and refresh tokens. What was revoked is remembered in memory only."""

    signer: URLSafeSerializer
    clock: Clock
    _serials: dict[str, int] = field(default_factory=dict)  # family -> the serial that is good now
    _revoked: dict[str, None] = field(default_factory=dict)  # families

    def issue(self, user_id: str, family: str, scopes: list[str], client_id: str) -> tuple[str, str | None]:
        """An access token, and a refresh token if `offline_access` was asked for; earlier ones of the family end."""
        serial = self._serials.get(family, 0) + 1
        _remember(self._serials, family, serial)
        now = self.clock.unix()
        data = TokenData("access", user_id, family, serial, scopes, client_id, now + ACCESS_LIFETIME)
        if "offline_access" not in scopes:
            return self._dump(data), None
        refresh = msgspec.structs.replace(data, kind="refresh", expires_unix=now + REFRESH_LIFETIME)
        return self._dump(data), self._dump(refresh)

    def read(self, token: str, kind: str) -> TokenData | None:
        """What a valid token says. An access token stays good when its family is refreshed."""
        data = self._load(token)
        if data is None or data.kind != kind or data.family in self._revoked:
            return None
        return data if self.clock.unix() < data.expires_unix else None

    def spend(self, token: str, client_id: str) -> TokenData | None:
        """A refresh token, which works once; a second use revokes the family. RFC 9700, section 4.14.2.

        After a restart the first one of a family that comes is taken to be its newest.
        """
        data = self.read(token, "refresh")
        if data is None or data.client_id != client_id:
            return None
        if data.serial < self._serials.setdefault(data.family, data.serial):
            self.revoke_family(data.family)
            return None
        return data

    def family_of(self, token: str) -> TokenData | None:
        """Whatever kind it is, also when it has expired."""
        return self._load(token)

    def revoke_family(self, family: str) -> None:
        _remember(self._revoked, family, None)

    def _dump(self, data: TokenData) -> str:
        return f"{data.kind}_{self.signer.dumps([*msgspec.structs.astuple(data), secrets.token_hex(8)])}"

    def _load(self, token: str) -> TokenData | None:
        kind, _, signed = token.partition("_")
        try:
            values = self.signer.loads(signed)
            data = TokenData(*values[:-1])
        except (BadSignature, ValueError, TypeError):
            return None
        return data if data.kind == kind else None


class SigningKeys:
    """The RS256 keys: the newest signs, all are published. Made at first use, as that takes a while."""

    def __init__(self) -> None:
        self._keys: list[RSAKey] = []

    @property
    def newest(self) -> RSAKey:
        if not self._keys:
            self.rotate()
        return self._keys[-1]

    def rotate(self) -> None:
        """A new key signs from now on; the one before it is still published."""
        kid = secrets.token_hex(8)
        self._keys = [*self._keys[-1:], RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})]

    def published(self) -> list[Any]:
        return [self.newest.as_dict(private=False), *(key.as_dict(private=False) for key in self._keys[:-1])]

    def sign(self, claims: dict[str, Any], typ: str = "JWT") -> str:
        key = self.newest
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": typ}, claims, key)


def half_hash(text: str) -> str:
    """`at_hash` of RS256: OIDC Core 3.1.3.6."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def signer_for(keys: Sequence[bytes], salt: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        list(keys),
        salt=f"generalbots_api dev directory {salt}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _remember(kept: dict[str, V], key: str, value: V) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MAX_REMEMBERED:
        del kept[next(iter(kept))]
