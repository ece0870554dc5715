"""The development directory for the examples: accounts admin, alice and bob, the password is the name.

In production this is `ZitadelDirectory("https://id.example", "client-id", "client-secret", project_id="1001")` alone.
"""

from __future__ import annotations

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.zitadel import ZitadelDirectory

ORIGIN = "http://127.0.0.1:8000"
PATH = "/dev-directory"
KEY = "a key for the examples only; take 32 random bytes of your own"


def development_directory() -> tuple[DevDirectory, ZitadelDirectory]:
    """The provider, to mount at `PATH`, and the client that the API speaks to it with."""
    provider = DevDirectory(ORIGIN + PATH, secret_keys=[KEY])
    return provider, client_of(provider)


def client_of(provider: DevDirectory) -> ZitadelDirectory:
    return ZitadelDirectory(
        provider.issuer,
        provider.client_id,
        provider.client_secret,
        project_id=provider.project_id,
        transport=provider.transport(),
        for_development=True,
    )
