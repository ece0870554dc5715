"""Encrypts secrets at rest: JWE, direct A256GCM, a list of keys for rotation."""

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
    renew_at: datetime | None = None


class TokenVault:
    """`auth.ports.Vault`. The newest key encrypts, each decrypts.

    What a secret belongs to (the login's id, for a grant) is in the protected
    header, which A256GCM authenticates: moved to another it does not open.

    Raises:
        ValueError: there is no key.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("keys: must hold at least one key")
        self._newest = _derived(keys[-1])
        self._keys = {key.kid: key for key in map(_derived, keys)}
        self._registry = _Registry(
            header_registry={"login": HeaderParameter("what it belongs to", "str", required=True)},
            algorithms=["dir", "A256GCM"],
        )

    def seal(self, grant: Grant, login_id: LoginId, /) -> bytes:
        sealed = _Sealed(
            grant.access_token.reveal(),
            grant.refresh_token.reveal() if grant.refresh_token else None,
            grant.id_token.reveal() if grant.id_token else None,
            grant.expires_at,
            grant.renew_at,
        )
        return self._encrypted(msgspec.json.encode(sealed), login_id).encode()

    def open(self, sealed: bytes, login_id: LoginId, /) -> Grant:
        try:
            opened = msgspec.json.decode(self._decrypted(sealed, login_id), type=_Sealed)
        except msgspec.MsgspecError:
            raise Unauthorized("The session cannot be read", token_sent=True) from None
        return Grant(
            access_token=Secret(opened.access_token),
            refresh_token=Secret(opened.refresh_token) if opened.refresh_token else None,
            id_token=Secret(opened.id_token) if opened.id_token else None,
            expires_at=opened.expires_at,
            renew_at=opened.renew_at,
        )

    def seal_text(self, text: str, about: str, /) -> str:
        return self._encrypted(text.encode(), f"text:{about}")

    def open_text(self, sealed: str, about: str, /) -> str:
        return self._decrypted(sealed.encode("utf-8", "surrogatepass"), f"text:{about}").decode()

    def _encrypted(self, plain: bytes, about: str) -> str:
        header = {"alg": "dir", "enc": "A256GCM", "kid": self._newest.kid, "login": about}
        return jwe.encrypt_compact(header, plain, self._newest, registry=self._registry)

    def _decrypted(self, sealed: bytes, about: str) -> bytes:
        try:
            found = jwe.decrypt_compact(sealed, self._key_of, registry=self._registry)
        except (JoseError, KeyError, ValueError):
            raise Unauthorized("The session cannot be read: its key is gone", token_sent=True) from None
        if found.protected.get("login") != about:
            raise Unauthorized("The session cannot be read", token_sent=True)
        return found.plaintext or b""

    def _key_of(self, recipient: GuestProtocol) -> OctKey:
        return self._keys[str(recipient.headers()["kid"])]


def _derived(secret: bytes) -> OctKey:
    """A key for this purpose only, named so that the name tells nothing of it."""
    raw = hmac.digest(secret, PURPOSE, hashlib.sha256)
    name = hashlib.sha256(b"kid:" + raw).hexdigest()[:16]
    return OctKey.import_key(raw, {"kid": name, "alg": "dir", "use": "enc"})
