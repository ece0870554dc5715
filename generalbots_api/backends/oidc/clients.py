"""Authlib's OAuth 2 client, as this application speaks to a provider."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from authlib.integrations.httpx_client import AsyncOAuth2Client

from generalbots_api.auth.model import Secret
from generalbots_api.backends.oidc.http import BoundedTransport, client_options
from generalbots_api.backends.oidc.metadata import Metadata


@dataclass(frozen=True, slots=True)
class OAuthClients:
    """Makes clients on one transport: a client is cheap, a TLS context is not."""

    transport: BoundedTransport
    client_id: str
    client_secret: Secret | None
    scopes: tuple[str, ...]

    def new(self, metadata: Metadata, redirect_uri: str | None = None) -> AsyncOAuth2Client:
        """A client for one call. Scopes go with the authorization request only."""
        method = auth_method(metadata, self.client_secret)
        client = AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret.reveal() if self.client_secret else None,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            scope=" ".join(self.scopes) if redirect_uri else None,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=self.transport,
            **client_options(),
        )
        client.register_client_auth_method(("client_secret_basic", encoded_basic))
        return client


def auth_method(metadata: Metadata, secret: Secret | None) -> str:
    if secret is None:
        return "none"
    named = metadata.token_endpoint_auth_methods_supported
    return "client_secret_basic" if "client_secret_basic" in named else "client_secret_post"


def encoded_basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    """RFC 6749, section 2.3.1: form-urlencoded before base64, which Authlib leaves out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return uri, headers, body
