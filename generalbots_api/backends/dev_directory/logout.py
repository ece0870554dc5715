"""Logout at the directory: OIDC RP-Initiated Logout 1.0, and word of it to the client by Back-Channel Logout 1.0."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import OAuthError, ShownError
from generalbots_api.backends.dev_directory.forms import form_of
from generalbots_api.backends.dev_directory.pages import error_page, farewell_page
from generalbots_api.backends.dev_directory.sessions import BrowserSession

log = logging.getLogger("generalbots_api.dev_directory")

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFETIME = 120  # seconds
TIMEOUT = 5.0  # seconds
FOREIGN = "This application is not known here."


@dataclass(frozen=True, slots=True)
class BackChannel:
    """Tells the client, once; a client that does not answer is logged and left alone."""

    core: Core
    transport: httpx2.AsyncBaseTransport | None  # None: real connections

    def token(self, user_id: str | None, session: str | None, **claims: Any) -> str:
        """Source: Back-Channel Logout 1.0, section 2.4; `claims` are added, or take the place of these."""
        now = int(self.core.clock.unix())
        token: dict[str, Any] = {
            "iss": self.core.issuer,
            "aud": [self.core.client.id],
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
            "jti": secrets.token_hex(16),
            "events": {LOGOUT_EVENT: {}},
            **({"sub": user_id} if user_id else {}),
            **({"sid": session} if session else {}),
            **claims,
        }
        return self.core.keys.sign(token, "logout+jwt")

    async def tell(
        self, user_id: str, session: str | None, transport: httpx2.AsyncBaseTransport | None = None
    ) -> int | None:
        """The client's status; None if it has no address, or does not answer. No `session`: all of the user's."""
        uri = self.core.client.backchannel_logout_uri
        if uri is None:
            return None
        await self.core.keys.ready()
        data = {"logout_token": self.token(user_id, session)}
        transport = transport or self.transport
        try:
            async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=TIMEOUT) as client:
                status = (await client.post(uri, data=data)).status_code
        except httpx2.TransportError as error:
            log.warning("dev_directory.backchannel_failed", extra={"reason": type(error).__name__})
            return None
        if status >= 300:
            log.warning("dev_directory.backchannel_refused", extra={"status": status})
        return status


@dataclass(frozen=True, slots=True)
class LogoutEndpoint:
    core: Core
    back_channel: BackChannel

    async def end_session(self, request: Request) -> Response:
        """Ends the browser's session, tells the client behind the answer, and sends the browser on."""
        try:
            asked = dict(request.query_params) if request.method != "POST" else await form_of(request)
            self._check_client(asked)
            target = self._target(asked)
        except (ShownError, OAuthError) as error:
            return error_page(error.message if isinstance(error, ShownError) else error.description, error.status)
        response: Response = (
            RedirectResponse(target, 302 if request.method != "POST" else 303) if target else farewell_page()
        )
        session = self.core.sessions.of(request)
        self.core.sessions.end(response, session)
        response.background = self._telling(session)
        return response

    def _telling(self, session: BrowserSession | None) -> BackgroundTask | None:
        return BackgroundTask(self.back_channel.tell, session.user_id, session.id) if session is not None else None

    def _check_client(self, asked: dict[str, str]) -> None:
        """Raises:
        ShownError: another client, or an id token that is not ours.
        """
        if asked.get("client_id", self.core.client.id) != self.core.client.id:
            raise ShownError(FOREIGN)
        hint = asked.get("id_token_hint")
        if hint and self.core.keys.knows(key_id(hint)):  # of an unknown key: from before a restart
            claims = self.core.keys.verified(hint)
            if claims is None or claims.get("iss") != self.core.issuer or claims.get("azp") != self.core.client.id:
                raise ShownError(FOREIGN)

    def _target(self, asked: dict[str, str]) -> str | None:
        """Raises:
        ShownError: it is not an address that the client may name.
        """
        uri = asked.get("post_logout_redirect_uri")
        if not uri:
            return None
        if not self.core.client.may_return_to(uri):
            raise ShownError("This address to return to (post_logout_redirect_uri) is not allowed.")
        if "state" not in asked:
            return uri
        return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': asked['state']})}"


def key_id(token: str) -> object:
    """The `kid` of a token's header, not verified; None if it cannot be read."""
    part = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return header.get("kid") if isinstance(header, dict) else None
