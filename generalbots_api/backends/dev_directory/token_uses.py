"""What tokens are used for: userinfo, revocation (RFC 7009), introspection (RFC 7662)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from generalbots_api.backends.dev_directory.claims import audiences, userinfo_claims
from generalbots_api.backends.dev_directory.client_auth import client_form, refused
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import OAuthError
from generalbots_api.backends.dev_directory.forms import bearer_of
from generalbots_api.backends.dev_directory.grants import needed
from generalbots_api.backends.dev_directory.people import User
from generalbots_api.backends.dev_directory.tokens import ACCESS, REFRESH, TokenData


@dataclass(frozen=True, slots=True)
class TokenUses:
    core: Core

    async def userinfo(self, request: Request) -> Response:
        """Source: OIDC Core 5.3; RFC 6750, section 3."""
        token = bearer_of(request)
        found = self.core.user_of(token)
        if found is None:
            challenge = 'Bearer error="invalid_token"' if token else "Bearer"
            return JSONResponse({"error": "invalid_token"}, 401, headers={"WWW-Authenticate": challenge})
        user, data = found
        return JSONResponse(userinfo_claims(self.core, user, data.scopes))

    async def revoke(self, request: Request) -> Response:
        """200 also for tokens that are not known."""
        try:
            form = await client_form(request, self.core.client)
            self.core.tokens.revoke(needed(form, "token"))
        except OAuthError as error:
            return refused(error)
        return Response(status_code=200)

    async def introspect(self, request: Request) -> Response:
        try:
            token = needed(await client_form(request, self.core.client), "token")
        except OAuthError as error:
            return refused(error)
        data = self.core.tokens.read(token, ACCESS) or self.core.tokens.read(token, REFRESH)
        user = self.core.people.active(data.login.user_id) if data is not None else None
        if data is None or user is None:
            return JSONResponse({"active": False})
        return JSONResponse(self._described(user, data))

    def _described(self, user: User, data: TokenData) -> dict[str, Any]:
        return {
            **userinfo_claims(self.core, user, data.scopes),
            "active": True,
            "iss": self.core.issuer,
            "aud": audiences(self.core.client.id, data.login.scopes),
            "client_id": data.login.client_id,
            "token_type": "Bearer" if data.kind == ACCESS else "refresh_token",
            "scope": " ".join(data.scopes),
            "iat": data.issued_unix,
            "exp": data.expires_unix,
            "jti": data.id,
            "username": user.username,
        }
