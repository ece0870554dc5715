"""The code flow, step by step: to the provider, back, and what follows for the tokens."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from joserfc.jwk import Key

from generalbots_api.auth.model import AuthorizationAnswer, Grant, LogoutNotice, PendingLogin, Secret
from generalbots_api.backends.oidc.clients import OAuthClients
from generalbots_api.backends.oidc.http import NONSENSE, Outgoing, is_page, json_object
from generalbots_api.backends.oidc.id_token import (
    Expected,
    check_id_token,
    check_logout_token,
    check_refreshed,
    expected_algorithms,
)
from generalbots_api.backends.oidc.metadata import Metadata, Provider
from generalbots_api.backends.oidc.signature import Claims, KeyUnknown, Refused
from generalbots_api.backends.oidc.token_calls import NoBearer, TokenCalls
from generalbots_api.errors import BadGateway, InvalidRequest, Unauthorized, Unavailable

log = logging.getLogger("generalbots_api.directory")

REFUSED = "The Directory Service did not log you in"
_OURS = ("response_type", "response_mode", "client_id", "redirect_uri", "scope", "request", "request_uri")
LOGIN_PARAMS = frozenset((*_OURS, "state", "nonce", "code_challenge", "code_challenge_method"))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flow:
    """Authlib does the plumbing, the rules are here. Source: RFC 9700, 7636, 9207, OIDC Core 3.1."""

    provider: Provider
    outgoing: Outgoing
    clients: OAuthClients
    tokens: TokenCalls
    login_params: Mapping[str, str] = field(default_factory=dict)  # see `checked_params`

    async def authorization_url(self, pending: PendingLogin, state: str) -> str:
        metadata = await self.provider.metadata_for_login()
        async with self.clients.new(metadata, pending.redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                nonce=pending.nonce,
                code_verifier=pending.verifier.reveal(),
                **self.login_params,
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
        grant = await self._exchanged(answer.code or "", pending, metadata, now)
        if grant.id_token is None:
            raise refused("there is no id token")
        claims = await self._checked(grant.id_token, grant.access_token, pending, metadata, now)
        info = await self.userinfo(grant.access_token.reveal(), None)
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

    async def _exchanged(self, code: str, pending: PendingLogin, metadata: Metadata, now: datetime) -> Grant:
        try:
            return await self.tokens.exchange(code, pending, metadata, now)
        except Unauthorized:
            raise refused("the code is not accepted") from None
        except NoBearer:
            raise refused("the token is no Bearer token") from None

    async def _checked(
        self, id_token: Secret, access_token: Secret, pending: PendingLogin, metadata: Metadata, now: datetime
    ) -> Claims:
        return await self._with_keys(
            lambda keys: check_id_token(
                id_token.reveal(),
                keys,
                self._expected(metadata),
                nonce=pending.nonce,
                begun_at=pending.created_at,
                now=now,
                access_token=access_token.reveal(),
            )
        )

    async def refresh(self, grant: Grant, now: datetime) -> Grant:
        """New tokens; what the answer leaves out is kept.

        Raises:
            Unauthorized: the login is over.
            BadGateway, Unavailable.
        """
        if grant.refresh_token is None:
            raise Unauthorized("The session has ended at the Directory Service", token_sent=True)
        metadata = await self.provider.metadata()
        new = await self.tokens.refresh(grant.refresh_token, metadata, now)
        if new.id_token is not None and grant.id_token is not None:
            try:
                check_refreshed(new.id_token.reveal(), grant.id_token.reveal(), self._expected(metadata))
            except Refused as error:
                raise refused(str(error)) from None
        return replace(
            new,
            refresh_token=new.refresh_token or grant.refresh_token,
            id_token=new.id_token or grant.id_token,
        )

    async def userinfo(self, access_token: str, user_id: str | None) -> Claims:
        """`user_id` None: whoever it is.

        Raises:
            Unauthorized: the access token is refused.
            BadGateway: it is of somebody else (OIDC Core 5.3.2).
            Unavailable.
        """
        metadata = await self.provider.metadata()
        if metadata.userinfo_endpoint is None:
            raise Unavailable("The Directory Service has no userinfo")
        response = await self.outgoing.get(metadata.userinfo_endpoint, access_token=access_token)
        if response.status_code in (401, 403) and not is_page(response):
            raise Unauthorized("The Directory Service no longer accepts this login", token_sent=True)
        if response.status_code != 200:
            raise Unavailable("The Directory Service does not answer as it should")
        info = json_object(response)
        if user_id is not None and info.get("sub") != user_id:
            raise BadGateway(NONSENSE)
        return info

    async def revoke(self, grant: Grant) -> None:
        await self.tokens.revoke(grant, await self.provider.metadata())

    async def logout_url(self, grant: Grant, return_to: str | None) -> str | None:
        """With a new `state`, which comes back with the browser for whoever wants to compare.

        Source: OpenID Connect RP-Initiated Logout 1.0, section 2.
        """
        metadata = await self.provider.metadata()
        if metadata.end_session_endpoint is None:
            return None
        query = {"client_id": self.clients.client_id}
        if grant.id_token is not None:
            query["id_token_hint"] = grant.id_token.reveal()
        if return_to is not None:
            query["post_logout_redirect_uri"] = return_to
            query["state"] = secrets.token_urlsafe(16)
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


def checked_params(extra: Mapping[str, str]) -> dict[str, str]:
    """More parameters of the authorization request.

    Raises:
        ValueError: one of them is set by the flow, or would change how the answer comes.
    """
    taken = sorted(LOGIN_PARAMS & set(extra))
    if taken:
        raise ValueError(f"login_params: {taken} must not be set, as the login sets or rules them out itself")
    return dict(extra)


def refused(reason: str) -> Unauthorized:
    """One answer for all that goes wrong with a login; the reason is for the log."""
    log.warning("login.refused", extra={"reason": reason})
    return Unauthorized(REFUSED)
