"""The rules for id tokens and logout tokens: OIDC Core 3.1.3.7, Back-Channel Logout 2.6, RFC 9700."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc.jwk import Key

from generalbots_api.auth.model import LogoutNotice
from generalbots_api.backends.oidc.signature import ALGORITHMS, Claims, Refused, claims_of, verified
from generalbots_api.clock import at_unix
from generalbots_api.ids import UserId

MAX_SUBJECT = 255
MAX_UNIX = 250_000_000_000  # past it a datetime has no room for the leeway
LEEWAY = timedelta(seconds=30)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


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
    header, claims = verified(token, keys, expected.algorithms)
    _check_common(claims, expected, now)
    _check_azp(claims, expected)
    if _instant(claims, "iat") < begun_at - LEEWAY:
        raise Refused("iat: the token is older than the login")
    if claims.get("nonce") != nonce:
        raise Refused("nonce: not that of the login")
    if not _is_name(claims.get("sub")):
        raise Refused("sub: not a string of 1 to 255 characters")
    if "at_hash" in claims and claims["at_hash"] != at_hash(access_token, header["alg"]):
        raise Refused("at_hash: not that of the access token")
    return claims


def check_refreshed(token: str, before: str, expected: Expected) -> Claims:
    """The claims of the id token of a refresh: of the same login as the one `before`, which was checked.

    Its signature is left alone: it came over TLS from the provider itself
    (OIDC Core 3.1.3.7, step 6), and is a hint for the logout only.

    Raises:
        Refused.

    Source: OIDC Core 12.2.
    """
    claims, old = claims_of(token), claims_of(before)
    _check_audience(claims, expected)
    _check_azp(claims, expected)
    if claims.get("sub") != old.get("sub"):
        raise Refused("sub: another subject than that of the login")
    return claims


def check_logout_token(token: str, keys: list[Key], expected: Expected, *, now: datetime) -> LogoutNotice:
    """What a valid logout token says.

    Raises:
        KeyUnknown, Refused.
    """
    header, claims = verified(token, keys, expected.algorithms)
    if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "application/logout+jwt", "jwt"):
        raise Refused("typ: not a logout token")
    _check_common(claims, expected, now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise Refused("events: no back-channel logout")
    if "nonce" in claims:
        raise Refused("nonce: a logout token has none")
    jti, sub, sid = claims.get("jti"), claims.get("sub"), claims.get("sid")
    if not isinstance(jti, str) or not _is_name(jti):
        raise Refused("jti: not a string of 1 to 255 characters")
    if not all(one is None or _is_name(one) for one in (sub, sid)) or not (sub or sid):
        raise Refused("sub, sid: neither is there, or one is not a string of 1 to 255 characters")
    return LogoutNotice(
        token_id=jti,
        user_id=UserId(sub) if sub else None,
        directory_session=sid,
        expires_at=_instant(claims, "exp") + LEEWAY,
    )


def at_hash(access_token: str, algorithm: str) -> str:
    """OIDC Core 3.1.3.6: the left half of the hash that goes with the algorithm."""
    digest = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _check_common(claims: Claims, expected: Expected, now: datetime) -> None:
    _check_audience(claims, expected)
    if _instant(claims, "iat") > now + LEEWAY:
        raise Refused("iat: from the future")
    if _instant(claims, "exp") <= now - LEEWAY:
        raise Refused("exp: the token has expired")
    if "nbf" in claims and _instant(claims, "nbf") > now + LEEWAY:
        raise Refused("nbf: not valid yet")


def _check_audience(claims: Claims, expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused("iss: another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise Refused("aud: not for this client")


def _check_azp(claims: Claims, expected: Expected) -> None:
    """Several audiences are normal for Zitadel: then `azp` must say that the token was made for us."""
    many = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
    if (many or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise Refused("azp: another client")


def _is_name(value: object) -> bool:
    """A string of 1 to 255 characters that every storage keeps."""
    return isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT and value.isprintable()


def _instant(claims: Claims, name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{name}: not a number")
    if not 0 <= value <= MAX_UNIX:
        raise Refused(f"{name}: out of range")
    return at_unix(value)
