"""Calls of the token and revocation endpoints: Authlib asks, the answers are checked here."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from generalbots_api.auth.model import Grant, PendingLogin, Secret
from generalbots_api.backends.oidc.clients import OAuthClients
from generalbots_api.backends.oidc.http import NONSENSE, is_page, json_object
from generalbots_api.backends.oidc.metadata import Metadata
from generalbots_api.errors import BadGateway, NotSupported, Unauthorized, Unavailable

log = logging.getLogger("generalbots_api.directory")

MAX_LIFETIME = 10 * 365 * 86_400  # seconds that a token may claim to live
QUOTA_RETRY_AFTER = 30  # seconds
_FIELDS = ("access_token", "refresh_token", "id_token", "token_type", "expires_in", "error")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_OVER = ("invalid_grant", "access_denied")  # the login is over; all else is a trouble of the two services


class NoBearer(BadGateway):
    """A token that this application cannot use."""


Ask = Callable[[AsyncOAuth2Client], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class TokenCalls:
    """Nothing here is repeated: codes and refresh tokens work once.

    Every method but `revoke` raises:
        Unauthorized: `invalid_grant`: the code or the refresh token is no longer good.
        BadGateway: an answer that makes no sense.
        Unavailable: no answer, the provider's own trouble, or ours with our client's credentials.
    """

    clients: OAuthClients

    async def exchange(self, code: str, pending: PendingLogin, metadata: Metadata, now: datetime) -> Grant:
        def ask(client: AsyncOAuth2Client) -> Any:
            return client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=pending.redirect_uri,
                code_verifier=pending.verifier.reveal(),
            )

        return await self._grant(metadata, ask, now)

    async def refresh(self, refresh_token: Secret, metadata: Metadata, now: datetime) -> Grant:
        """What the answer holds, and nothing else."""

        def ask(client: AsyncOAuth2Client) -> Any:
            return client.refresh_token(metadata.token_endpoint, refresh_token=refresh_token.reveal())

        return await self._grant(metadata, ask, now)

    async def _grant(self, metadata: Metadata, ask: Ask, now: datetime) -> Grant:
        async with self.clients.new(metadata) as client:
            for hook in ("access_token_response", "refresh_token_response"):
                client.register_compliance_hook(hook, plain_answer)
            try:
                token = dict(await ask(client))
            except OAuthError as error:
                raise _error_of(error.error) from None
        return grant_of(token, now)

    async def revoke(self, grant: Grant, metadata: Metadata) -> None:
        """The refresh token first: with it the access token is worth nothing at most providers.

        Raises:
            Unavailable: it was not confirmed.
            NotSupported: the provider revokes nothing.

        Source: RFC 7009, section 2.2.
        """
        if metadata.revocation_endpoint is None:
            raise NotSupported("The Directory Service cannot revoke tokens")
        async with self.clients.new(metadata) as client:
            for hint, token in (("refresh_token", grant.refresh_token), ("access_token", grant.access_token)):
                if token is None:
                    continue
                response = await client.revoke_token(
                    metadata.revocation_endpoint, token=token.reveal(), token_type_hint=hint
                )
                if not _is_confirmed(response) and not _is_only_of_refresh_tokens(response, hint):
                    raise Unavailable("The Directory Service did not confirm the revocation")


def plain_answer(response: httpx2.Response) -> httpx2.Response:
    """The answer as Authlib may see it: it falls over 5xx, deep nesting and fields of another type.

    Raises:
        BadGateway, Unavailable.
    """
    if response.status_code == 429:
        raise Unavailable("The Directory Service is busy", retry_after=QUOTA_RETRY_AFTER)
    if response.status_code >= 500:
        raise Unavailable("The Directory Service cannot do this at the moment")
    answer = json_object(response)
    if (response.status_code != 200) is not ("error" in answer):
        raise BadGateway(NONSENSE)
    kept = {name: answer[name] for name in _FIELDS if answer.get(name) is not None}
    if not all(isinstance(kept[name], str) for name in kept if name != "expires_in"):
        raise BadGateway(NONSENSE)
    kept["expires_in"] = _lifetime(answer.get("expires_in"))
    return httpx2.Response(response.status_code, json=kept, request=response.request)


def grant_of(token: dict[str, Any], now: datetime) -> Grant:
    """Source: RFC 6749, section 5.1.

    Raises:
        NoBearer: it is a token of another type.
        BadGateway: there is none.
    """
    if not token.get("access_token"):
        raise BadGateway(NONSENSE)
    if token.get("token_type", "").lower() != "bearer":
        raise NoBearer("The Directory Service gave no Bearer token")
    seconds = token.get("expires_in")
    return Grant(
        access_token=Secret(token["access_token"]),
        refresh_token=_secret(token.get("refresh_token")),
        id_token=_secret(token.get("id_token")),
        expires_at=now + timedelta(seconds=seconds) if seconds is not None else None,
    )


def _error_of(code: object) -> Unauthorized | Unavailable:
    """Only the code is logged, and only if it looks like one: descriptions may hold anything."""
    shown = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else "unreadable"
    log.warning("directory.token_refused", extra={"error": shown})
    if code in _OVER:
        return Unauthorized("The Directory Service no longer accepts this login", token_sent=True)
    return Unavailable("The Directory Service refuses this application")


def _is_confirmed(response: httpx2.Response) -> bool:
    """Any body may come with 200 (RFC 7009, section 2.2), but a page is of somebody who stands in for the provider."""
    return response.status_code == 200 and not is_page(response)


def _is_only_of_refresh_tokens(response: httpx2.Response, hint: str) -> bool:
    if response.status_code != 400 or hint != "access_token":
        return False
    return json_object(response).get("error") == "unsupported_token_type"


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None


def _lifetime(seconds: object) -> int | None:
    """`expires_in`, also as the string that some providers make of it; None if it says nothing."""
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= MAX_LIFETIME:
        return None
    return int(seconds)
