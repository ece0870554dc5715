"""The code flow, step by step: to the provider, back, and what follows for the tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from joserfc.jwk import Key

from generalbots_api.auth.model import (
    AuthorizationAnswer,
    Grant,
    LogoutNotice,
    PendingLogin,
    Secret,
)
from generalbots_api.backends.oidc.clients import OAuthClients
from generalbots_api.backends.oidc.http import (
    NONSENSE,
    Outgoing,
    json_object,
)
from generalbots_api.backends.oidc.id_token import (
    Claims,
    Expected,
    KeyUnknown,
    Refused,
    check_id_token,
    check_logout_token,
    expected_algorithms,
)
from generalbots_api.backends.oidc.metadata import Metadata, Provider
from generalbots_api.errors import BadGateway, InvalidRequest, Unauthorized, Unavailable

log = logging.getLogger("generalbots_api.directory")

REFUSED = "The Directory Service did not log you in"
MAX_LIFETIME = 10 * 365 * 86_400  # seconds that a token may claim to live
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flow:
    """Authlib does the plumbing, the rules are here. Source: RFC 9700, 7636, 9207, OIDC Core 3.1."""

    provider: Provider
    outgoing: Outgoing
    clients: OAuthClients

    async def authorization_url(self, pending: PendingLogin, state: str) -> str:
        metadata = await self.provider.metadata()
        async with self.clients.new(metadata, pending.redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                nonce=pending.nonce,
                code_verifier=pending.verifier.reveal(),
            )
        return str(url)

    async def finish(
        self, answer: AuthorizationAnswer, pending: PendingLogin, now: datetime
    ) -> tuple[Grant, Claims, Claims]:
        """The tokens, the claims of the id token, and those of the userinfo.

        Raises:
            Unauthorized, BadGateway, Unavailable.
        """
        metadata = await self.provider.metadata()
        self._check_answer(answer, metadata)
        token = await self._exchange(answer.code or "", pending, metadata)
        grant = self._grant(token, now)
        if grant.id_token is None:
            raise refused("there is no id token")
        id_token, access_token = grant.id_token.reveal(), grant.access_token.reveal()
        claims = await self._with_keys(
            lambda keys: check_id_token(
                id_token,
                keys,
                self._expected(metadata),
                nonce=pending.nonce,
                begun_at=pending.created_at,
                now=now,
                access_token=access_token,
            )
        )
        info = await self.userinfo(access_token)
        if info.get("sub") != claims["sub"]:
            raise refused("the userinfo is of another subject")
        return grant, claims, info

    def _check_answer(self, answer: AuthorizationAnswer, metadata: Metadata) -> None:
        wants_issuer = metadata.authorization_response_iss_parameter_supported
        if (answer.issuer is not None or wants_issuer) and answer.issuer != metadata.issuer:
            raise refused("the answer is another issuer's")
        if answer.error is not None:
            raise refused("the provider answered with an error")
        if not answer.code:
            raise refused("the answer has no code")

    async def _exchange(self, code: str, pending: PendingLogin, metadata: Metadata) -> dict[str, Any]:
        async with self.clients.new(metadata, pending.redirect_uri) as client:
            return await self._token_call(
                client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=pending.redirect_uri,
                    code_verifier=pending.verifier.reveal(),
                )
            )

    async def refresh(self, grant: Grant, now: datetime) -> Grant:
        """New tokens; what the answer leaves out is kept."""
        if grant.refresh_token is None:
            raise Unauthorized("The session has ended at the Directory Service", token_sent=True)
        metadata = await self.provider.metadata()
        async with self.clients.new(metadata) as client:
            token = await self._token_call(
                client.refresh_token(metadata.token_endpoint, refresh_token=grant.refresh_token.reveal())
            )
        new = self._grant(token, now)
        return Grant(
            access_token=new.access_token,
            refresh_token=new.refresh_token or grant.refresh_token,
            id_token=new.id_token or grant.id_token,
            expires_at=new.expires_at,
        )

    async def _token_call(self, call: Any) -> dict[str, Any]:
        """Raises:
        Unauthorized: `invalid_grant` and the like.
        Unavailable: the provider's own trouble, or ours with our client's credentials.
        """
        try:
            return dict(await call)
        except OAuthError as error:
            if error.error in ("invalid_grant", "access_denied"):
                raise refused(f"token endpoint: {error.error}") from None
            log.error("directory.token_refused", extra={"error": str(error.error)[:100]})
            raise Unavailable("The Directory Service refuses this application") from None
        except ValueError:
            raise BadGateway(NONSENSE) from None

    def _grant(self, token: dict[str, Any], now: datetime) -> Grant:
        access_token = token.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise BadGateway(NONSENSE)
        if str(token.get("token_type", "")).lower() != "bearer":
            raise refused("the token is no Bearer token")
        return Grant(
            access_token=Secret(access_token),
            refresh_token=_secret(token.get("refresh_token")),
            id_token=_secret(token.get("id_token")),
            expires_at=_expiry(token.get("expires_in"), now),
        )

    async def userinfo(self, access_token: str) -> Claims:
        """Raises:
        Unauthorized: the access token is refused.
        """
        metadata = await self.provider.metadata()
        if metadata.userinfo_endpoint is None:
            raise Unavailable("The Directory Service has no userinfo")
        response = await self.outgoing.get(metadata.userinfo_endpoint, access_token=access_token)
        if response.status_code in (401, 403):
            raise Unauthorized("The Directory Service no longer accepts this login", token_sent=True)
        if response.status_code != 200:
            raise Unavailable("The Directory Service does not answer as it should")
        return json_object(response)

    async def revoke(self, grant: Grant) -> None:
        metadata = await self.provider.metadata()
        if metadata.revocation_endpoint is None:
            return
        named = [("refresh_token", grant.refresh_token), ("access_token", grant.access_token)]
        async with self.clients.new(metadata) as client:
            for hint, token in named:
                if token is None:
                    continue
                response = await client.revoke_token(
                    metadata.revocation_endpoint, token=token.reveal(), token_type_hint=hint
                )
                if response.status_code != 200:
                    raise Unavailable("The Directory Service did not confirm the revocation")

    async def logout_url(self, grant: Grant, return_to: str | None) -> str | None:
        metadata = await self.provider.metadata()
        if metadata.end_session_endpoint is None:
            return None
        query = {"client_id": self.clients.client_id}
        if grant.id_token is not None:
            query["id_token_hint"] = grant.id_token.reveal()
        if return_to is not None:
            query["post_logout_redirect_uri"] = return_to
        sep = "&" if "?" in metadata.end_session_endpoint else "?"
        return f"{metadata.end_session_endpoint}{sep}{urlencode(query)}"

    async def logout_notice(self, logout_token: str, now: datetime) -> LogoutNotice:
        metadata = await self.provider.metadata()
        try:
            return await self._with_keys(
                lambda keys: check_logout_token(logout_token, keys, self._expected(metadata), now=now)
            )
        except Unauthorized:
            raise InvalidRequest("The logout token is refused", fields={"logout_token": "not valid"}) from None

    async def _with_keys(self, check: Callable[[list[Key]], T]) -> T:
        """Check with the keys at hand, and once more with newer ones if none fits."""
        try:
            try:
                return check(await self.provider.keys())
            except KeyUnknown:
                return check(await self.provider.newer_keys())
        except Refused as error:
            raise refused(str(error)) from None

    def _expected(self, metadata: Metadata) -> Expected:
        algorithms = expected_algorithms(metadata.id_token_signing_alg_values_supported)
        return Expected(issuer=self.provider.issuer, client_id=self.clients.client_id, algorithms=algorithms)


def refused(reason: str) -> Unauthorized:
    """One answer for all that goes wrong with a login; the reason is for the log."""
    log.warning("login.refused", extra={"reason": reason})
    return Unauthorized(REFUSED)


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else None


def _expiry(seconds: object, now: datetime) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= MAX_LIFETIME:
        return None
    return now + timedelta(seconds=seconds)
