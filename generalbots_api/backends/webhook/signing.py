"""Who calls a webhook, and when: HMAC-SHA256 (RFC 2104) over the time and the body."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

TIMESTAMP = "x-generalbots-timestamp"
SIGNATURE = "x-generalbots-signature"
TOLERANCE = 300  # seconds
_VERSION = "v1="


class InvalidSignature(ValueError):
    """The request is not from whom it says, or not from now. The message holds nothing that came with it."""


def sign(body: bytes, *, secrets: Sequence[str | bytes], at: int) -> dict[str, str]:
    """The headers to send: `v1=<hex>` for each secret, so that the two sides may change theirs one after the other.

    Signed is the time `at` (Unix seconds) in digits, a full stop, and the body.
    """
    signatures = ",".join(_VERSION + _digest(secret, str(at), body) for secret in secrets)
    return {TIMESTAMP: str(at), SIGNATURE: signatures}


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str | bytes],
    now: float | None = None,
    tolerance: float = TOLERANCE,
) -> None:
    """For a receiver: return if the request was signed with one of the secrets, at most `tolerance` seconds ago.

    `body` as it came, byte for byte. A request may come twice within the
    tolerance: `reply_id` in it says whether it is the same one.

    Raises:
        InvalidSignature: it was not.
        ValueError: there is no secret, or an empty one.
    """
    check_secrets(secrets)
    sent = {name.lower(): value for name, value in headers.items()}
    at = sent.get(TIMESTAMP, "")
    if not (at.isascii() and at.isdigit() and len(at) <= 12):
        raise InvalidSignature("the timestamp is missing or is no number")
    if abs((time.time() if now is None else now) - int(at)) > tolerance:
        raise InvalidSignature("the timestamp is too far from now")
    given = [one.strip() for one in sent.get(SIGNATURE, "").split(",")[:10]]
    wanted = [_VERSION + _digest(secret, at, body) for secret in secrets]
    matches = [hmac.compare_digest(one.encode(), right.encode()) for one in given for right in wanted]
    if not any(matches):
        raise InvalidSignature("no signature fits")


def check_secrets(secrets: Sequence[str | bytes]) -> None:
    """Raises:
    ValueError: there is none, or an empty one, or they are one text instead of a list.
    """
    if isinstance(secrets, str | bytes) or not secrets or not all(secrets):
        raise ValueError("secrets: must be a list of at least one, and none of them empty")


def _digest(secret: str | bytes, at: str, body: bytes) -> str:
    key = secret if isinstance(secret, bytes) else secret.encode()
    return hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
