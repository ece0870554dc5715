"""The RS256 keys of id tokens and logout tokens."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

KEY_SIZE = 2_048  # bits, also the least that is taken


class SigningKeys:
    """The newest key signs; it and the one before it are published.

    A key that is not given is made at first use. A restart may then bring a new
    one: id tokens are looked at only at login.
    """

    def __init__(self, first: str | bytes | RSAKey | None = None) -> None:
        self._keys = [imported(first)] if first is not None else []
        self._lock = anyio.Lock()

    async def ready(self) -> None:
        """Make the first key in a thread, as it takes some 50 ms."""
        async with self._lock:
            if not self._keys:
                self._keys = [await anyio.to_thread.run_sync(new_key)]

    def rotate(self) -> None:
        """A new key signs from now on; the one before the last is withdrawn."""
        self._keys = [*self._keys[-1:], new_key()]

    def published(self) -> list[dict[str, Any]]:
        """Newest first."""
        newest = self.newest
        return [
            {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": "RS256"}
            for key in (newest, *self._keys[:-1])
        ]

    def sign(self, claims: dict[str, Any], typ: str = "JWT") -> str:
        key = self.newest
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": typ}, claims, key, algorithms=["RS256"])

    def knows(self, kid: object) -> bool:
        return any(key.kid == kid for key in self._keys)

    def verified(self, token: str) -> dict[str, Any] | None:
        """The claims, however old; None if no key of ours signed it."""
        for key in self._keys:
            try:
                return dict(jwt.decode(token, key, algorithms=["RS256"]).claims)
            except (JoseError, ValueError):
                continue
        return None

    @property
    def newest(self) -> RSAKey:
        """The one that signs; made now if there is none."""
        if not self._keys:
            self.rotate()
        return self._keys[-1]


def new_key() -> RSAKey:
    return RSAKey.generate_key(KEY_SIZE, auto_kid=True)


def imported(value: str | bytes | RSAKey) -> RSAKey:
    """A private RSA key from PEM or a JWK in JSON; one that is loaded already is taken as it is, which saves 70 ms.

    Raises:
        ValueError: it is something else, or under 2,048 bits.
    """
    try:
        key = value if isinstance(value, RSAKey) else _loaded(value)
        is_good = key.is_private and key.private_key is not None and key.private_key.key_size >= KEY_SIZE
    except (JoseError, ValueError, TypeError, KeyError):
        is_good = False
    if not is_good:
        raise ValueError(f"signing_key: must be a private RSA key of {KEY_SIZE} bits or more, as PEM or JWK")
    key.ensure_kid()
    return key


def _loaded(value: str | bytes) -> RSAKey:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return RSAKey.import_key(json.loads(text) if text.lstrip().startswith("{") else text)
