"""Encryption at rest, by joserfc."""

from generalbots_api.backends.jose.vault import TokenVault

__all__ = ["TokenVault"]
