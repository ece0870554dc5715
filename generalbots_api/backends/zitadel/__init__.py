"""Zitadel as the Directory Service: OpenID Connect, and its user, authorization and group services."""

from generalbots_api.backends.zitadel.directory import ZitadelDirectory

__all__ = ["ZitadelDirectory"]
