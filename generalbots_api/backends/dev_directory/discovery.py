"""What the directory says of itself: OpenID Connect Discovery 1.0, section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from generalbots_api.backends.dev_directory.core import Core

PATH = "/.well-known/openid-configuration"
AUTHORIZE = "/oauth/v2/authorize"
TOKEN = "/oauth/v2/token"
KEYS = "/oauth/v2/keys"
REVOKE = "/oauth/v2/revoke"
INTROSPECT = "/oauth/v2/introspect"
USERINFO = "/oidc/v1/userinfo"
END_SESSION = "/oidc/v1/end_session"
AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]


@dataclass(frozen=True, slots=True)
class Discovery:
    core: Core

    async def metadata(self, request: Request) -> Response:
        return JSONResponse(metadata_of(self.core.issuer, self.core.base))

    async def keys(self, request: Request) -> Response:
        await self.core.keys.ready()
        return JSONResponse({"keys": self.core.keys.published()})


def metadata_of(issuer: str, base: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": base + AUTHORIZE,
        "token_endpoint": base + TOKEN,
        "jwks_uri": base + KEYS,
        "userinfo_endpoint": base + USERINFO,
        "revocation_endpoint": base + REVOKE,
        "introspection_endpoint": base + INTROSPECT,
        "end_session_endpoint": base + END_SESSION,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "name", "given_name", "family_name", "preferred_username", "email", "auth_time"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
