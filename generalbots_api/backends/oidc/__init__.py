"""Any conforming OpenID Provider as the Directory Service."""

from generalbots_api.backends.oidc.directory import OidcDirectory

__all__ = ["OidcDirectory"]
