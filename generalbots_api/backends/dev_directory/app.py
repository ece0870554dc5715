"""`DevDirectory`: the provider as an ASGI app, and as a transport for the production client."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from generalbots_api.backends.dev_directory.authorize import AuthorizePages
from generalbots_api.backends.dev_directory.endpoints import ProviderEndpoints
from generalbots_api.backends.dev_directory.people import BUILT_IN, People, read_seed
from generalbots_api.backends.dev_directory.services import ZitadelServices
from generalbots_api.backends.dev_directory.state import LOOPBACK, State
from generalbots_api.backends.dev_directory.tokens import SigningKeys, Tokens, signer_for
from generalbots_api.clock import Clock, SystemClock

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class DevDirectory:
    """A provider for one client, on loopback.

    Served at the path of its issuer (`Mount("/dev-directory", app=dev)`), and
    reached in process by `transport()`. Tokens outlive a restart with the same
    `secret_keys`; changes to users and groups do not.

    Raises:
        ValueError: the issuer is not on loopback, or the users file is wrong.
    """

    def __init__(
        self,
        issuer: str,
        *,
        secret_keys: Sequence[str | bytes],
        users_file: str | Path | None = None,
        client_id: str = "generalbots",
        project_id: str = "100000000000000002",
        redirect_uris: Sequence[str] | None = None,
        backchannel_logout_uri: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if urlsplit(issuer).hostname not in LOOPBACK:
            raise ValueError(f"issuer: the development directory stays on loopback, not {issuer!r}")
        clock = clock or SystemClock()
        keys = [key if isinstance(key, bytes) else key.encode() for key in secret_keys]
        secret = hmac.digest(keys[-1], b"generalbots_api dev directory client", hashlib.sha256).hex()
        seed = read_seed(Path(users_file)) if users_file is not None else BUILT_IN
        self._state = State(
            issuer=issuer,
            client_id=client_id,
            client_secret=secret,
            project_id=project_id,
            redirect_uris=redirect_uris,
            backchannel_logout_uri=backchannel_logout_uri,
            people=People(seed, clock.now()),
            tokens=Tokens(signer_for(keys, "token"), clock),
            keys=SigningKeys(),
            cookies=signer_for(keys, "cookie"),
            clock=clock,
        )
        self._app = Starlette(routes=self._routes())

    @property
    def issuer(self) -> str:
        return self._state.issuer

    @property
    def client_id(self) -> str:
        return self._state.client_id

    @property
    def client_secret(self) -> str:
        return self._state.client_secret

    @property
    def project_id(self) -> str:
        return self._state.project_id

    @property
    def usernames(self) -> list[str]:
        return [user.username for user in self._state.people.users.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._state.is_down and scope["type"] == "http":
            await HTMLResponse("<h1>Service Unavailable</h1>", 503)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Reaches the directory at its issuer's URLs without a socket."""
        path = urlsplit(self.issuer).path.rstrip("/")
        return httpx2.ASGITransport(app=Starlette(routes=[Mount(path, app=self)]))

    def user_id(self, username: str) -> str:
        return self._state.people.named(username).id

    def rotate_key(self) -> None:
        """Sign id tokens with a new key from now on."""
        self._state.keys.rotate()

    def set_roles(self, username: str, roles: Sequence[str]) -> None:
        self._state.people.named(username).roles = set(roles)

    def set_active(self, username: str, *, is_active: bool) -> None:
        self._state.people.named(username).is_active = is_active

    def set_down(self, is_down: bool) -> None:
        """Answer everything with 503 and a page, as a proxy in front of a dead service does."""
        self._state.is_down = is_down

    def logout_token(self, username: str, sid: str | None = None, **claims: Any) -> str:
        """A logout token for a user, as the provider sends it to the back channel."""
        now = int(self._state.clock.unix())
        token = {
            "iss": self.issuer,
            "aud": [self.client_id],
            "iat": now,
            "exp": now + 120,
            "jti": hashlib.sha256(f"{username}{sid}{now}{len(claims)}".encode()).hexdigest(),
            "sub": self.user_id(username),
            "events": {LOGOUT_EVENT: {}},
            **({"sid": sid} if sid else {}),
            **claims,
        }
        return self._state.keys.sign(token, "logout+jwt")

    async def end_sessions_of(self, username: str, transport: httpx2.AsyncBaseTransport | None = None) -> int:
        """End a user's sessions from the provider's side and tell the client by the back channel.

        Returns the client's status. Raises ValueError without a back-channel address.
        """
        uri = self._state.backchannel_logout_uri
        if uri is None:
            raise ValueError("backchannel_logout_uri is not set")
        async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=5) as client:
            response = await client.post(uri, data={"logout_token": self.logout_token(username)})
        return response.status_code

    def _routes(self) -> list[Route]:
        pages, provider = AuthorizePages(self._state), ProviderEndpoints(self._state)
        services = ZitadelServices(self._state)
        return [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/oauth/v2/authorize", pages.authorize),
            Route("/login", pages.log_in, methods=["POST"]),
            Route("/oauth/v2/token", provider.token, methods=["POST"]),
            Route("/oauth/v2/keys", self._jwks),
            Route("/oauth/v2/revoke", provider.revoke, methods=["POST"]),
            Route("/oauth/v2/introspect", provider.introspect, methods=["POST"]),
            Route("/oidc/v1/userinfo", provider.userinfo, methods=["GET", "POST"]),
            Route("/oidc/v1/end_session", provider.end_session, methods=["GET", "POST"]),
            Route("/logged-out", self._logged_out),
            Route("/{service}/{method}", services.call, methods=["POST"]),
        ]

    async def _discovery(self, request: Request) -> Response:
        base = self.issuer
        return JSONResponse(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/oauth/v2/authorize",
                "token_endpoint": f"{base}/oauth/v2/token",
                "jwks_uri": f"{base}/oauth/v2/keys",
                "userinfo_endpoint": f"{base}/oidc/v1/userinfo",
                "revocation_endpoint": f"{base}/oauth/v2/revoke",
                "introspection_endpoint": f"{base}/oauth/v2/introspect",
                "end_session_endpoint": f"{base}/oidc/v1/end_session",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "subject_types_supported": ["public"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
            }
        )

    async def _jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": self._state.keys.published()})

    async def _logged_out(self, request: Request) -> Response:
        return HTMLResponse("<!doctype html><title>Logged out</title><p>You are logged out.</p>")
