"""Token, userinfo, revocation, introspection and logout endpoints: RFC 6749, 7009, 7662, OIDC."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from generalbots_api.backends.dev_directory.authorize import SESSION_COOKIE
from generalbots_api.backends.dev_directory.forms import form_of
from generalbots_api.backends.dev_directory.pages import error_page
from generalbots_api.backends.dev_directory.people import User
from generalbots_api.backends.dev_directory.state import Code, State
from generalbots_api.backends.dev_directory.tokens import ACCESS_LIFETIME

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Refusal(Exception):
    """An error of the token endpoint: RFC 6749, section 5.2."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class ProviderEndpoints:
    state: State

    async def token(self, request: Request) -> Response:
        try:
            form = await self._client_form(request)
            match form.get("grant_type"):
                case "authorization_code":
                    answer = self._by_code(form)
                case "refresh_token":
                    answer = self._by_refresh_token(form)
                case _:
                    raise Refusal("unsupported_grant_type")
        except Refusal as refusal:
            return refused(refusal)
        return JSONResponse(answer, headers=NO_STORE)

    def _by_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        state, name = self.state, form.get("code", "")
        code = state.codes.pop(name, None)
        if code is None:
            if name in state.spent_codes:  # used again: what it gave is worth nothing any more
                state.tokens.revoke_family(state.spent_codes[name])
            raise Refusal("invalid_grant")
        state.spent_codes[name] = code.family
        if len(state.spent_codes) > 1_000:
            del state.spent_codes[next(iter(state.spent_codes))]
        user = state.people.users.get(code.user_id)
        is_right = form.get("redirect_uri") == code.redirect_uri and proves(form.get("code_verifier", ""), code)
        if user is None or not user.is_active or not is_right or state.clock.unix() >= code.expires_unix:
            raise Refusal("invalid_grant")
        return self._tokens(user, code)

    def _by_refresh_token(self, form: Mapping[str, str]) -> dict[str, Any]:
        data = self.state.tokens.spend(form.get("refresh_token", ""), self.state.client_id)
        user = self.state.people.users.get(data.user_id) if data else None
        if data is None or user is None or not user.is_active:
            raise Refusal("invalid_grant")
        code = Code(
            user_id=user.id,
            redirect_uri="",
            challenge="",
            nonce=None,
            scopes=data.scopes,
            family=data.family,
            auth_unix=int(self.state.clock.unix()),
            expires_unix=0,
        )
        return self._tokens(user, code)

    def _tokens(self, user: User, code: Code) -> dict[str, Any]:
        access, refresh = self.state.tokens.issue(user.id, code.family, code.scopes, self.state.client_id)
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": ACCESS_LIFETIME,
            "scope": " ".join(code.scopes),
            "id_token": self.state.id_token(user, code, access),
        }
        return {**answer, "refresh_token": refresh} if refresh else answer

    async def userinfo(self, request: Request) -> Response:
        found = self.state.user_of(bearer(request))
        if found is None:
            headers = {**NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, headers=headers)
        user, _ = found
        info = {
            "sub": user.id,
            "preferred_username": user.username,
            "name": user.display_name,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "email": user.email,
            "email_verified": user.is_email_verified,
            **self.state.zitadel_claims(user),
        }
        return JSONResponse(info, headers=NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """200 whatever the token is; the whole login goes with it."""
        try:
            form = await self._client_form(request)
        except Refusal as refusal:
            return refused(refusal)
        data = self.state.tokens.family_of(form.get("token", ""))
        if data is not None:
            self.state.tokens.revoke_family(data.family)
        return JSONResponse({}, headers=NO_STORE)

    async def introspect(self, request: Request) -> Response:
        try:
            form = await self._client_form(request)
        except Refusal as refusal:
            return refused(refusal)
        token = form.get("token", "")
        data = self.state.tokens.read(token, "access") or self.state.tokens.read(token, "refresh")
        user = self.state.people.users.get(data.user_id) if data else None
        if data is None or user is None or not user.is_active:
            return JSONResponse({"active": False}, headers=NO_STORE)
        answer = {
            "active": True,
            "sub": user.id,
            "client_id": data.client_id,
            "scope": " ".join(data.scopes),
            "exp": int(data.expires_unix),
            "username": user.username,
        }
        return JSONResponse(answer, headers=NO_STORE)

    async def end_session(self, request: Request) -> Response:
        """OIDC RP-Initiated Logout 1.0: ends the browser's session here, and sends it back."""
        asked = dict(request.query_params) if request.method == "GET" else await form_of(request)
        wanted = asked.get("post_logout_redirect_uri")
        if asked.get("client_id", self.state.client_id) != self.state.client_id or not self._is_hint(asked):
            return error_page("This application is not known here.", secrets.token_hex(12))
        if wanted is not None and not self.state.is_return_uri(wanted):
            return error_page("This address to return to is not allowed.", secrets.token_hex(12))
        query = urlencode({"state": asked["state"]}) if "state" in asked else ""
        target = wanted or self.state.issuer + "/logged-out"
        response = RedirectResponse(f"{target}?{query}" if query else target, 302, headers=NO_STORE)
        response.delete_cookie(SESSION_COOKIE, path=request.scope.get("root_path") or "/")
        return response

    def _is_hint(self, asked: dict[str, str]) -> bool:
        """An `id_token_hint` must be ours; it may have expired, and its key may be gone after a restart."""
        hint = asked.get("id_token_hint")
        if hint is None:
            return True
        try:
            claims = jwt.decode(hint, self.state.keys.newest).claims
        except (JoseError, ValueError):
            return True
        return claims.get("iss") == self.state.issuer

    async def _client_form(self, request: Request) -> dict[str, str]:
        """The form of a client that has shown who it is: RFC 6749, section 2.3.1."""
        form = await form_of(request)
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        header = request.headers.get("authorization", "")
        if header.lower().startswith("basic "):
            client_id, secret = basic(header[6:])
        is_right = secrets.compare_digest(secret.encode(), self.state.client_secret.encode())
        if client_id != self.state.client_id or not is_right:
            raise Refusal("invalid_client", 401)
        return form


def basic(encoded: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("invalid_client", 401) from None
    return unquote_plus(client_id), unquote_plus(secret)


def proves(verifier: str, code: Code) -> bool:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def refused(refusal: Refusal) -> Response:
    headers = {**NO_STORE, **({"WWW-Authenticate": "Basic"} if refusal.status == 401 else {})}
    return JSONResponse({"error": refusal.code}, refusal.status, headers=headers)
