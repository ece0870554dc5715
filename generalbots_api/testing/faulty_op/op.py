"""The faulty provider as an ASGI app: honest, but for its faults."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections import Counter
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from generalbots_api.clock import Clock, SystemClock
from generalbots_api.testing.faulty_op.faults import LEFT_OUT, Changes, Endpoint, Faults, Json, changed
from generalbots_api.testing.faulty_op.forging import id_token, in_base64, signed
from generalbots_api.testing.faulty_op.keys import SigningKeys
from generalbots_api.testing.faulty_op.tokens import LIFETIME, Asked, Form, Tokens
from generalbots_api.testing.faulty_op.troubles import AGAIN, in_json, in_trouble

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ID_TOKEN_LIFETIME = 300  # seconds
EVENT = "http://schemas.openid.net/event/backchannel-logout"
ADA = {"sub": "42", "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "roles": ["user"]}


class FaultyOp:
    """One client, one user, and the faults of the moment.

    `faults` and `user` (the claims of its userinfo) may be set at any time.
    `calls` counts the requests by endpoint, `token_request` is the last form that
    came to the token endpoint.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, clock: Clock | None = None) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.client_secret = client_secret
        self.clock = clock or SystemClock()
        self.faults = Faults()
        self.user: Json = dict(ADA)
        self.keys = SigningKeys()
        self.calls: Counter[Endpoint] = Counter()
        self.token_request: Form = {}
        self._base = issuer.rstrip("/")
        self._tokens = Tokens()
        self._app = self._routes(urlsplit(self._base).path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def transport(self) -> httpx2.ASGITransport:
        """The way to it without a server."""
        return httpx2.ASGITransport(app=self)

    def logout_token(self, sub: str | None = None, sid: str | None = None, **changes: object) -> str:
        """A back-channel logout token; `sub` None and `sid` None: of its user."""
        now = int(self.clock.unix())
        claims: Json = {
            **{"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 120, "jti": secrets.token_urlsafe()},
            **{"events": {EVENT: {}}},
            **({"sid": sid} if sid else {"sub": sub or self.user["sub"]}),
        }
        key = self.keys.signing("RS256", 2048)
        header = {"alg": "RS256", "kid": key.kid, "typ": "logout+jwt"}
        return signed(header, changed(claims, changes, self.clock.unix()), key)

    def _routes(self, path: str) -> Starlette:
        return Starlette(
            routes=[
                Route(f"{path}/.well-known/openid-configuration", self._metadata),
                Route(f"{path}/authorize", self._authorize),
                Route(f"{path}/token", self._token, methods=["POST"]),
                Route(f"{path}/keys", self._key_set),
                Route(f"{path}/userinfo", self._userinfo),
                Route(f"{path}/revoke", self._revoke, methods=["POST"]),
                Route(f"{path}/end_session", self._end_session),
            ]
        )

    async def _metadata(self, request: Request) -> Response:
        names = {
            f"{name}_endpoint": f"{self._base}/{path}"
            for name, path in {
                **{"authorization": "authorize", "token": "token", "userinfo": "userinfo"},
                **{"revocation": "revoke", "end_session": "end_session"},
            }.items()
        }
        metadata: Json = {
            "issuer": self.issuer,
            **names,
            "jwks_uri": f"{self._base}/keys",
            "id_token_signing_alg_values_supported": ALGORITHMS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return await self._answer(request, Endpoint.METADATA, metadata, self.faults.metadata)

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        wanted = {"response_type": "code", "client_id": self.client_id, "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()) or "redirect_uri" not in asked:
            return PlainTextResponse("This is no authorization request\n", 400)
        granted = Asked(asked["redirect_uri"], asked.get("code_challenge", ""), asked.get("nonce"))
        answer: Json = {"code": self._tokens.new_code(granted), "iss": self.issuer}
        if "state" in asked:
            answer["state"] = asked["state"]
        pairs = list(changed(answer, self.faults.answer, self.clock.unix()).items())
        pairs += [(name, value) for name, value in pairs if name in self.faults.repeated_in_answer]
        sep = "&" if "?" in granted.redirect_uri else "?"
        return RedirectResponse(f"{granted.redirect_uri}{sep}{urlencode(pairs)}", 302)

    async def _token(self, request: Request) -> Response:
        form = self.token_request = await self._form(request)
        is_refresh = form.get("grant_type") == "refresh_token"
        endpoint = Endpoint.REFRESH if is_refresh else Endpoint.TOKEN
        error = self.faults.refresh_error if is_refresh else self.faults.token_error
        if not self._is_client(request, form):
            return self._error(endpoint, "invalid_client", 401)
        is_kept = self.faults.refreshed.get("refresh_token") is LEFT_OUT or Endpoint.REFRESH in self.faults.troubles
        asked = self._tokens.by_refresh(form, is_kept=is_kept) if is_refresh else self._tokens.by_code(form)
        if asked is None or error is not None:
            return self._error(endpoint, error or "invalid_grant", 400)
        changes = self.faults.refreshed if is_refresh else self.faults.token
        answer = self._tokens_for(asked, None if is_refresh else asked.nonce)
        return await self._answer(request, endpoint, answer, changes)

    def _tokens_for(self, asked: Asked, nonce: str | None) -> Json:
        access, refresh = self._tokens.issue(asked)
        now = int(self.clock.unix())
        claims: Json = {
            **{"iss": self.issuer, "sub": self.user["sub"], "aud": self.client_id, "sid": asked.session},
            **{"iat": now, "exp": now + ID_TOKEN_LIFETIME, "at_hash": self._at_hash(access)},
            **({"nonce": nonce} if nonce is not None else {}),
        }
        return {
            **{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": LIFETIME},
            "id_token": id_token(claims, self.faults, self.keys, self.clock.unix()),
        }

    def _at_hash(self, access_token: str) -> str:
        """OIDC Core 3.1.3.6."""
        size = {"256": 256, "384": 384}.get(self.faults.algorithm[-3:], 512)
        digest = hashlib.new(f"sha{size}", access_token.encode()).digest()
        return in_base64(digest[: len(digest) // 2])

    async def _key_set(self, request: Request) -> Response:
        faults, now = self.faults, self.clock.unix()
        keys = [changed(key, faults.key, now) for key in self.keys.published(faults.algorithm, faults.rsa_bits)]
        return await self._answer(request, Endpoint.KEYS, {"keys": [*faults.more_keys, *keys]}, faults.key_set)

    async def _userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._tokens.access:
            return self._error(Endpoint.USERINFO, "invalid_token", 401)
        return await self._answer(request, Endpoint.USERINFO, self.user, self.faults.userinfo)

    async def _revoke(self, request: Request) -> Response:
        form = await self._form(request)
        if not self._is_client(request, form):
            return self._error(Endpoint.REVOKE, "invalid_client", 401)
        self._tokens.revoke(form.get("token", ""))
        return await self._answer(request, Endpoint.REVOKE, {}, {})

    async def _end_session(self, request: Request) -> Response:
        target = request.query_params.get("post_logout_redirect_uri")
        state = urlencode({"state": request.query_params.get("state", "")})
        return RedirectResponse(f"{target}?{state}", 303) if target else PlainTextResponse("You are logged out\n")

    async def _answer(self, request: Request, endpoint: Endpoint, value: Json, changes: Changes) -> Response:
        self.calls[endpoint] += 1
        told = changed(value, changes, self.clock.unix())
        trouble = self.faults.troubles.get(endpoint)
        if trouble is None or AGAIN in request.query_params:
            return in_json(told)
        return await in_trouble(trouble, request, told)

    def _error(self, endpoint: Endpoint, code: str, status: int) -> Response:
        self.calls[endpoint] += 1
        return JSONResponse({"error": code, "error_description": "Of the provider: not to be shown"}, status)

    async def _form(self, request: Request) -> Form:
        return dict(parse_qsl((await request.body()).decode()))

    def _is_client(self, request: Request, form: Form) -> bool:
        """By client_secret_basic, form-urlencoded (RFC 6749, section 2.3.1), or client_secret_post."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        pair = (form.get("client_id", ""), form.get("client_secret", ""))
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return False
            pair = (unquote_plus(name), unquote_plus(secret))
        return pair == (self.client_id, self.client_secret)
