"""Encrypts the Directory's tokens at rest: JWE, direct A256GCM, a list of keys for rotation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey
from joserfc.registry import HeaderParameter

from generalbots_api.auth.model import Grant, Secret
from generalbots_api.errors import Unauthorized
from generalbots_api.ids import LoginId

MAX_SEALED = 1_048_576  # bytes; no answer of the Directory is longer
PURPOSE = b"generalbots_api token vault"


class _Registry(jwe.JWERegistry):
    """With room for three tokens of the size that Zitadel's can have, with many roles in them."""

    max_ciphertext_length = MAX_SEALED


class _Sealed(msgspec.Struct):
    access_token: str
    refresh_token: str | None
    id_token: str | None
    expires_at: datetime | None


class TokenVault:
    """`auth.ports.Vault`. The newest key encrypts, each decrypts.

    The login's id is in the protected header, which A256GCM authenticates: a
    grant moved to another login does not open.

    Raises:
        ValueError: there is no key.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("keys: must hold at least one key")
        self._newest = _derived(keys[-1])
        self._keys = {key.kid: key for key in map(_derived, keys)}
        self._registry = _Registry(
            header_registry={"login": HeaderParameter("the login's id", "str", required=True)},
            algorithms=["dir", "A256GCM"],
        )

    def seal(self, grant: Grant, login_id: LoginId, /) -> bytes:
        sealed = _Sealed(
            grant.access_token.reveal(),
            grant.refresh_token.reveal() if grant.refresh_token else None,
            grant.id_token.reveal() if grant.id_token else None,
            grant.expires_at,
        )
        header = {"alg": "dir", "enc": "A256GCM", "kid": self._newest.kid, "login": login_id}
        return jwe.encrypt_compact(header, msgspec.json.encode(sealed), self._newest, registry=self._registry).encode()

    def open(self, sealed: bytes, login_id: LoginId, /) -> Grant:
        try:
            found = jwe.decrypt_compact(sealed, self._key_of, registry=self._registry)
            opened = msgspec.json.decode(found.plaintext or b"", type=_Sealed)
        except (JoseError, KeyError, ValueError, msgspec.MsgspecError):
            raise Unauthorized("The session cannot be read: its key is gone", token_sent=True) from None
        if found.protected.get("login") != login_id:
            raise Unauthorized("The session cannot be read", token_sent=True)
        return Grant(
            access_token=Secret(opened.access_token),
            refresh_token=Secret(opened.refresh_token) if opened.refresh_token else None,
            id_token=Secret(opened.id_token) if opened.id_token else None,
            expires_at=opened.expires_at,
        )

    def _key_of(self, recipient: GuestProtocol) -> OctKey:
        return self._keys[str(recipient.headers()["kid"])]


def _derived(secret: bytes) -> OctKey:
    """A key for this purpose only, named so that the name tells nothing of it."""
    raw = hmac.digest(secret, PURPOSE, hashlib.sha256)
    name = hashlib.sha256(b"kid:" + raw).hexdigest()[:16]
    return OctKey.import_key(raw, {"kid": name, "alg": "dir", "use": "enc"})
