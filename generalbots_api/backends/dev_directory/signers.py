"""Keys for each purpose, from the secret keys: what one signs means nothing to another."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

PREFIX = "generalbots_api dev directory"


@dataclass(frozen=True, slots=True)
class Signers:
    """The issuer is part of each key: two directories that share the secret keys do not share tokens."""

    secret_keys: tuple[bytes, ...]  # newest last: it signs, all verify
    issuer: str

    @classmethod
    def of(cls, secret_keys: Sequence[str | bytes], issuer: str) -> Signers:
        """Raises:
        ValueError: there is no key.
        """
        keys = tuple(key if isinstance(key, bytes) else key.encode() for key in secret_keys)
        if not keys or not all(keys):
            raise ValueError("secret_keys: at least one key is needed, and none may be empty")
        return cls(keys, issuer)

    def new(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            list(self.secret_keys),
            salt=f"{PREFIX} {purpose} of {self.issuer}",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def client_secret(self) -> str:
        return hmac.digest(self.secret_keys[-1], f"{PREFIX} client".encode(), hashlib.sha256).hex()


def loaded(signer: URLSafeSerializer, text: str) -> Any:
    """What was signed; None if it was not, or not by us."""
    try:
        return signer.loads(text)
    except BadSignature:
        return None
