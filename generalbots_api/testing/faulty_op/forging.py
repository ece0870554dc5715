"""Tokens of the faulty provider, with whatever lies they are to hold."""

from __future__ import annotations

import base64
import hmac
import json

from joserfc import jws
from joserfc.jwk import Key, RSAKey

from generalbots_api.testing.faulty_op.faults import Faults, Json, Signature, changed
from generalbots_api.testing.faulty_op.keys import SigningKeys, new_key

UNKNOWN = 1_000  # a generation of keys that is never published


def id_token(claims: Json, faults: Faults, keys: SigningKeys, now: float) -> str:
    """`claims` as they should be; `now` in Unix seconds."""
    key = keys.signing(faults.algorithm, faults.rsa_bits, faults.generation)
    signer = _stranger(key) if faults.signature is Signature.OTHER_KEY else key
    header: Json = {"alg": faults.algorithm, "kid": key.kid, "typ": "JWT"}
    if faults.embeds_key:
        header["jwk"] = {**signer.as_dict(private=False), "kid": key.kid}
    told = changed(claims, faults.claims, now)
    parts = [
        encoded(changed(header, faults.header, now), faults.repeated_in_header),
        encoded(_padded(told, faults.id_token_size), faults.repeated_claim),
    ]
    parts.append(_signature(".".join(parts), faults.algorithm, signer, faults.signature))
    if faults.signature is Signature.OTHER_CONTENT:
        parts[1] = encoded({**told, "sub": "somebody else"})
    return ".".join([*parts, *["x"] * faults.parts][: faults.parts])


def signed(header: Json, claims: Json, key: Key) -> str:
    """An honest signature below them."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{_signature(text, header['alg'], key, Signature.GOOD)}"


def encoded(value: Json, repeated: str | None = None) -> str:
    """One part of a token; `repeated` comes a second time, with another value."""
    text = json.dumps(value)
    if repeated is not None:
        text = f"{text[:-1]}, {json.dumps(repeated)}: {json.dumps(value.get(repeated))}}}"
    return in_base64(text.encode())


def in_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(text: str, algorithm: str, key: Key, how: Signature) -> str:
    if algorithm == "none" or how is Signature.EMPTY:
        return ""
    raw = _raw_signature(text.encode(), algorithm, key)
    match how:
        case Signature.WRONG:
            raw = bytes([raw[0] ^ 1]) + raw[1:]
        case Signature.TRUNCATED:
            raw = raw[:-1]
    return in_base64(raw)


def _raw_signature(text: bytes, algorithm: str, key: Key) -> bytes:
    """HS256 by the public key, which everybody knows: what a careless client takes for a good signature."""
    if algorithm == "HS256":
        return hmac.digest(RSAKey.import_key(key.as_dict(private=False)).as_bytes("PEM"), text, "sha256")
    signature: bytes = jws.JWSRegistry.algorithms[algorithm].sign(text, key)
    return signature


def _stranger(key: Key) -> Key:
    """A key of the same kind that nobody published."""
    kind = str(key.kid).rpartition("-")[0]
    return new_key(kind, UNKNOWN)


def _padded(claims: Json, size: int) -> Json:
    return {**claims, "padding": "x" * size} if size else claims
