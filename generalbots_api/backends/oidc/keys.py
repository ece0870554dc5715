"""A provider's published keys: which of them are used."""

from __future__ import annotations

import base64

from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from generalbots_api.backends.oidc.http import NONSENSE
from generalbots_api.backends.oidc.strict import Json
from generalbots_api.errors import BadGateway

MAX_KEYS = 64
MIN_RSA_BITS = 2048
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_CURVES = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("Ed25519", "Ed448")}


def usable_keys(key_set: Json) -> list[Key]:
    """Source: RFC 7517, section 5: unknown kinds are skipped.

    Raises:
        BadGateway: it is no key set, or one of more than 64 keys.
    """
    listed = key_set.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise BadGateway(NONSENSE)
    return [key for one in listed if (key := usable_key(one)) is not None]


def usable_key(jwk: object) -> Key | None:
    """A public signing key, or None for kinds, uses and sizes that are not used."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kty"), str) or jwk["kty"] not in _PUBLIC:
        return None
    kind = jwk["kty"]
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if kind in _CURVES and jwk.get("crv") not in _CURVES[kind]:
        return None
    if any(name in jwk and not isinstance(jwk[name], str) for name in ("kid", "alg")):
        return None
    return _imported({name: jwk[name] for name in ("kty", "kid", "alg", *_PUBLIC[kind]) if name in jwk})


def _imported(public: Json) -> Key | None:
    try:
        if public["kty"] == "RSA" and _bits(public["n"]) < MIN_RSA_BITS:
            return None
        return import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(number: str) -> int:
    """Of a base64url number. Looked at before the import, which warns of short keys."""
    raw = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
    return int.from_bytes(raw, "big").bit_length()
