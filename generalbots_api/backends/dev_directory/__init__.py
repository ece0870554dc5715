"""A small real OpenID Provider with Zitadel's services, for local runs and tests. Refuses to leave loopback."""

from generalbots_api.backends.dev_directory.directory import DevDirectory

__all__ = ["DevDirectory"]
