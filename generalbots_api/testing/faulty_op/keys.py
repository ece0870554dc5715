"""Keys of the faulty provider: they can be rotated and withdrawn, and are no secret at all."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class SigningKeys:
    """One key of each kind in a generation; made when it is first asked for."""

    def __init__(self) -> None:
        self._generations = [1]

    def rotate(self) -> None:
        """Sign with new keys; the old ones stay published."""
        self._generations.append(self._generations[-1] + 1)

    def withdraw(self) -> None:
        """Publish the newest keys only."""
        del self._generations[:-1]

    def signing(self, algorithm: str, rsa_bits: int, generation: int | None = None) -> Key:
        """The newest key, or that of a generation, that goes with the algorithm; RSA for one that goes with no key."""
        return new_key(_kind(algorithm, rsa_bits), generation or self._generations[-1])

    def published(self, algorithm: str, rsa_bits: int) -> list[dict[str, Any]]:
        kinds = dict.fromkeys((_kind("RS256", rsa_bits), _kind(algorithm, rsa_bits)))
        keys = [new_key(kind, generation) for kind in kinds for generation in self._generations]
        return [{**key.as_dict(private=False), "use": "sig"} for key in keys]


@cache
def new_key(kind: str, generation: int) -> Key:
    """The same key for the same words, in this process: making one takes longer than most tests."""
    parameters: Any = {"kid": f"{kind}-{generation}"}
    if kind.startswith("P-"):
        return ECKey.generate_key(kind, parameters)
    if kind == "Ed25519":
        return OKPKey.generate_key("Ed25519", parameters)
    with warnings.catch_warnings():  # a key that is too short is wanted here
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(int(kind), parameters)


def _kind(algorithm: str, rsa_bits: int) -> str:
    return "Ed25519" if algorithm.startswith("Ed") else _CURVES.get(algorithm, str(rsa_bits))
