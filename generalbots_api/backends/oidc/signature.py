"""Signed tokens: three parts, an algorithm of ours, a key of the provider's. What they say is judged elsewhere."""

from __future__ import annotations

import base64
import re
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from generalbots_api.backends.oidc.strict import strict_object

MAX_TOKEN = 16_384  # characters
MAX_CANDIDATES = 10
ALGORITHMS = frozenset(
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

Claims = dict[str, Any]


class Refused(Exception):
    """A token that fails a check; the text says which, for the log."""


class KeyUnknown(Refused):
    """No key fits, or the signature is wrong: newer keys may help."""


class _Registry(jws.JWSRegistry):
    """joserfc's, for headers that were checked here: parameters that nobody reads are ignored (RFC 7515, section 4)."""

    max_header_length = MAX_TOKEN

    def check_header(self, header: dict[str, Any]) -> None:
        """Done by `verified`. What `jwk`, `jku` and `x5u` say, or are, does not matter."""

    def get_alg(self, name: str) -> Any:  # joserfc exports no name for it
        """Without the warning that EdDSA has got a second name."""
        if name not in ALGORITHMS:
            raise Refused("alg: not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry()


def verified(token: str, keys: list[Key], allowed: frozenset[str]) -> tuple[dict[str, Any], Claims]:
    """The header and the claims of a signed token; keys named inside the token are never used.

    Raises:
        KeyUnknown, Refused.
    """
    if len(token) > MAX_TOKEN or token.count(".") != 2:
        raise Refused("not a signed token of three parts")
    header = _json_part(token.split(".", maxsplit=1)[0])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise Refused("alg: not allowed")
    if "crit" in header or "b64" in header:
        raise Refused("crit: not understood")
    kid = header.get("kid")
    if "kid" in header and not isinstance(kid, str):
        raise Refused("kid: not a string")
    for key in _candidates(keys, kid, algorithm):
        try:
            jws.deserialize_compact(token, key, registry=_REGISTRY)
        except (JoseError, ValueError):
            continue
        return header, claims_of(token)
    raise KeyUnknown("no key verifies the signature")


def claims_of(token: str) -> Claims:
    """What a token says, its signature unseen.

    Raises:
        Refused: it is no token.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        raise Refused("not a signed token of three parts")
    return _json_part(parts[1])


def _candidates(keys: list[Key], kid: str | None, algorithm: str) -> list[Key]:
    """The key of that id; without an id those of a fitting kind, ten at most."""
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC"}.get(algorithm[:2], "OKP")
    fitting = [key for key in keys if key.key_type == kind and key.get("alg", algorithm) == algorithm]
    if kid is not None:
        fitting = [key for key in fitting if key.get("kid") == kid]
    return fitting[:MAX_CANDIDATES]


def _json_part(part: str) -> dict[str, Any]:
    """One part of the token as a JSON object, read strictly: a key that comes twice is refused."""
    if not _BASE64URL.fullmatch(part):
        raise Refused("not base64url")
    try:
        return strict_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        raise Refused("not JSON") from None
