"""The rules for id tokens and logout tokens: OIDC Core 3.1.3.7, Back-Channel Logout 2.6, RFC 9700."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from generalbots_api.auth.model import LogoutNotice
from generalbots_api.clock import at_unix
from generalbots_api.ids import UserId

MAX_TOKEN = 16_384  # characters
MAX_SUBJECT = 255
MAX_CANDIDATES = 10
LEEWAY = timedelta(seconds=30)
ALGORITHMS = frozenset(
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}

Claims = dict[str, Any]


class Refused(Exception):
    """A token that fails a check; the text says which, for the log."""


class KeyUnknown(Refused):
    """No key fits, or the signature is wrong: newer keys may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    algorithms: frozenset[str]  # of ours, those that the provider names


def expected_algorithms(named: Iterable[str]) -> frozenset[str]:
    return ALGORITHMS & frozenset(named)


def check_id_token(
    token: str,
    keys: list[Key],
    expected: Expected,
    *,
    nonce: str,
    begun_at: datetime,
    now: datetime,
    access_token: str,
) -> Claims:
    """The claims of a valid id token.

    Raises:
        KeyUnknown, Refused.
    """
    header, claims = verified(token, keys, expected)
    _check_common(claims, expected, now)
    _check_azp(claims, expected)
    if _instant(claims, "exp") <= now - LEEWAY:
        raise Refused("exp: the token has expired")
    if _instant(claims, "iat") < begun_at - LEEWAY:
        raise Refused("iat: the token is older than the login")
    if claims.get("nonce") != nonce:
        raise Refused("nonce: not that of the login")
    if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= MAX_SUBJECT:
        raise Refused("sub: not a string of 1 to 255 characters")
    if "at_hash" in claims and claims["at_hash"] != at_hash(access_token, header["alg"]):
        raise Refused("at_hash: not that of the access token")
    return claims


def check_logout_token(token: str, keys: list[Key], expected: Expected, *, now: datetime) -> LogoutNotice:
    """What a valid logout token says.

    Raises:
        KeyUnknown, Refused.
    """
    header, claims = verified(token, keys, expected)
    if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "application/logout+jwt", "jwt"):
        raise Refused("typ: not a logout token")
    _check_common(claims, expected, now)
    expires_at = _instant(claims, "exp")
    if expires_at <= now - LEEWAY:
        raise Refused("exp: the token has expired")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise Refused("events: no back-channel logout")
    if "nonce" in claims:
        raise Refused("nonce: a logout token has none")
    jti, sub, sid = claims.get("jti"), claims.get("sub"), claims.get("sid")
    if not isinstance(jti, str) or not jti:
        raise Refused("jti: missing")
    if not all(one is None or (isinstance(one, str) and one) for one in (sub, sid)) or not (sub or sid):
        raise Refused("sub, sid: neither is there")
    return LogoutNotice(
        token_id=jti,
        user_id=UserId(sub) if sub else None,
        directory_session=sid,
        expires_at=expires_at + LEEWAY,
    )


def verified(token: str, keys: list[Key], expected: Expected) -> tuple[dict[str, Any], Claims]:
    """The header and the claims of a signed token; keys named inside the token are never used.

    Raises:
        KeyUnknown, Refused.
    """
    if len(token) > MAX_TOKEN or token.count(".") != 2:
        raise Refused("not a signed token of three parts")
    header = _json_part(token.split(".", maxsplit=1)[0])
    algorithm = header.get("alg")
    if algorithm not in expected.algorithms:
        raise Refused("alg: not allowed")
    if "crit" in header:
        raise Refused("crit: not understood")
    for key in _candidates(keys, header.get("kid"), str(algorithm)):
        try:
            jws.deserialize_compact(token, key, algorithms=[str(algorithm)])
        except (JoseError, ValueError):
            continue
        return header, _json_part(token.split(".")[1])
    raise KeyUnknown("no key verifies the signature")


def at_hash(access_token: str, algorithm: str) -> str:
    """OIDC Core 3.1.3.6: the left half of the hash that goes with the algorithm."""
    digest = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _candidates(keys: list[Key], kid: object, algorithm: str) -> list[Key]:
    """The key of that id; without an id those of a fitting kind, ten at most."""
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC"}.get(algorithm[:2], "OKP")
    fitting = [key for key in keys if key.key_type == kind and key.get("alg", algorithm) == algorithm]
    if kid is not None:
        fitting = [key for key in fitting if key.get("kid") == kid]
    return fitting[:MAX_CANDIDATES]


def _check_common(claims: Claims, expected: Expected, now: datetime) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused("iss: another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise Refused("aud: not for this client")
    if _instant(claims, "iat") > now + LEEWAY:
        raise Refused("iat: from the future")
    if "nbf" in claims and _instant(claims, "nbf") > now + LEEWAY:
        raise Refused("nbf: not valid yet")


def _check_azp(claims: Claims, expected: Expected) -> None:
    many = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
    if (many or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise Refused("azp: another client")


def _instant(claims: Claims, name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{name}: not a number")
    try:
        return at_unix(value)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"{name}: out of range") from None


def _json_part(part: str) -> dict[str, Any]:
    """One part of the token as a JSON object; a key that comes twice is refused."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None
    if not isinstance(value, dict):
        raise Refused("not a JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key comes twice")
    return value
