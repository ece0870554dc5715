"""Token endpoint: a code or a refresh token for tokens. RFC 6749, sections 4.1.3 and 6; OIDC Core 12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from generalbots_api.backends.dev_directory.claims import id_token_claims
from generalbots_api.backends.dev_directory.client_auth import client_form, refused
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import OAuthError
from generalbots_api.backends.dev_directory.tokens import ACCESS_LIFETIME, Login


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    core: Core

    async def token(self, request: Request) -> Response:
        try:
            form = await client_form(request, self.core.client)
            await self.core.keys.ready()
            match form.get("grant_type"):
                case "authorization_code":
                    answer = self._by_code(form)
                case "refresh_token":
                    answer = self._by_refresh_token(form)
                case _:
                    raise OAuthError("unsupported_grant_type")
        except OAuthError as error:
            return refused(error)
        return JSONResponse(answer)

    def _by_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        name, redirect_uri, verifier = (needed(form, key) for key in ("code", "redirect_uri", "code_verifier"))
        code = self.core.codes.take(name)
        if code is None:
            raise OAuthError("invalid_grant", "the code is unknown, too old, or was used before")
        if redirect_uri != code.redirect_uri or not code.is_proved_by(verifier):
            raise OAuthError("invalid_grant", "the code was made for another redirect_uri or code_verifier")
        return self._issued(code.login, code.login.scopes, code.nonce)

    def _by_refresh_token(self, form: Mapping[str, str]) -> dict[str, Any]:
        token, wanted = needed(form, "refresh_token"), tuple(form.get("scope", "").split())
        known = self.core.tokens.known(token)
        if known is not None and not set(wanted) <= set(known.login.scopes):  # before it is spent
            raise OAuthError("invalid_scope", "the login does not have this scope")
        data = self.core.tokens.spend(token)
        if data is None or data.login.client_id != self.core.client.id:
            raise OAuthError("invalid_grant", "the refresh token is unknown, too old, or was used before")
        return self._issued(data.login, wanted or data.login.scopes, None)

    def _issued(self, login: Login, scopes: tuple[str, ...], nonce: str | None) -> dict[str, Any]:
        user = self.core.people.active(login.user_id)
        if user is None:
            raise OAuthError("invalid_grant", "the user is not active")
        issued = self.core.tokens.issue(login, scopes)
        claims = id_token_claims(self.core, user, login, issued.access_token, nonce)
        answer = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFETIME,
            "scope": " ".join(scopes),
            "id_token": self.core.keys.sign(claims),
        }
        return {**answer, "refresh_token": issued.refresh_token} if issued.refresh_token else answer


def needed(form: Mapping[str, str], name: str) -> str:
    """Raises:
    OAuthError: it is missing.
    """
    if not form.get(name):
        raise OAuthError("invalid_request", f"{name} is missing")
    return form[name]
