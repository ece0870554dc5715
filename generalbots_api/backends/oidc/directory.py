"""Any conforming OpenID Provider as the Directory: login, profile, roles and groups by claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Self

import httpx2

from generalbots_api.auth.model import (
    AuthorizationAnswer,
    Grant,
    Identity,
    LogoutNotice,
    PendingLogin,
    Secret,
    Standing,
)
from generalbots_api.backends.oidc.claims import names_in, profile_of
from generalbots_api.backends.oidc.clients import OAuthClients
from generalbots_api.backends.oidc.flow import Flow, checked_params
from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing
from generalbots_api.backends.oidc.kept import Behind
from generalbots_api.backends.oidc.metadata import Provider
from generalbots_api.backends.oidc.token_calls import TokenCalls
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.errors import NotSupported
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, MemberPage, NewGroup
from generalbots_api.ids import GroupId, UserId
from generalbots_api.users.model import Profile, ProfileChange

DEFAULT_SCOPES = ("openid", "profile", "email", "offline_access")
NO_WRITES = "This Directory Service is read only here: profiles and groups are managed in it"


class OidcDirectory:
    """`generalbots_api.directory.Directory` over OpenID Connect alone.

    Roles and groups are read from claims of the userinfo: lists of strings, a
    string, or an object whose keys are the names. Profiles cannot be changed
    and groups not written (`NotSupported`). `login_params` are added to the
    query that browsers take to the provider: some give refresh tokens with
    `{"prompt": "consent"}` only (OIDC Core 11).

    Raises:
        ValueError: the issuer is not an https URL (http on loopback with
            `for_development`), or `login_params` names a parameter that is set here.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        scopes: Sequence[str] = DEFAULT_SCOPES,
        login_params: Mapping[str, str] | None = None,
        roles_claim: str = "roles",
        groups_claim: str = "groups",
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        for_development: bool = False,
    ) -> None:
        clock = clock or SystemClock()
        self._transport = BoundedTransport(transport, clock=clock)
        self._outgoing = Outgoing(self._transport)
        self._behind = Behind()
        self._provider = Provider(issuer, self._outgoing, clock, self._behind, for_development=for_development)
        secret = Secret(client_secret) if client_secret else None
        clients = OAuthClients(self._transport, client_id, secret, tuple(scopes))
        self._flow = Flow(
            self._provider, self._outgoing, clients, TokenCalls(clients), checked_params(login_params or {})
        )
        self._roles_claim = roles_claim
        self._groups_claim = groups_claim
        self._for_development = for_development
        self._stack = AsyncExitStack()

    @property
    def issuer(self) -> str:
        return self._provider.issuer

    @property
    def is_for_development(self) -> bool:
        return self._for_development

    @property
    def circuit_open_for(self) -> int | None:
        return self._transport.breaker.retry_after

    async def ping(self) -> None:
        await self._provider.ping()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._transport.opened())
        await self._stack.enter_async_context(self._behind)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def authorization_url(self, pending: PendingLogin, state: str, /) -> str:
        return await self._flow.authorization_url(pending, state)

    async def finish(
        self, answer: AuthorizationAnswer, pending: PendingLogin, now: datetime, /
    ) -> tuple[Grant, Identity]:
        grant, claims, info = await self._flow.finish(answer, pending, now)
        sid = claims.get("sid")
        identity = Identity(
            user_id=UserId(claims["sub"]),
            directory_session=sid if isinstance(sid, str) else None,
            organization_id=self._organization({**claims, **info}),
        )
        return grant, identity

    async def logout_notice(self, logout_token: str, now: datetime, /) -> LogoutNotice:
        return await self._flow.logout_notice(logout_token, now)

    async def refresh(self, grant: Grant, now: datetime, /) -> Grant:
        return await self._flow.refresh(grant, now)

    async def revoke(self, grant: Grant, /) -> None:
        await self._flow.revoke(grant)

    async def logout_url(self, grant: Grant, return_to: str | None, /) -> str | None:
        return await self._flow.logout_url(grant, return_to)

    async def standing(self, access_token: Secret, user_id: UserId, /) -> Standing:
        info = await self._flow.userinfo(access_token.reveal(), user_id)
        return Standing(
            roles=frozenset(names_in(info.get(self._roles_claim))),
            groups=frozenset(names_in(info.get(self._groups_claim))),
        )

    async def profile(self, access_token: str, user_id: UserId, /) -> Profile:
        return profile_of(await self._flow.userinfo(access_token, user_id), user_id)

    async def change_profile(self, access_token: str, user_id: UserId, change: ProfileChange, /) -> Profile:
        raise NotSupported(NO_WRITES)

    async def create_group(self, access_token: str, organization_id: str | None, group: NewGroup, /) -> Group:
        raise NotSupported(NO_WRITES)

    async def groups(self, access_token: str, query: GroupQuery, /) -> GroupPage:
        """The caller's own, as the claim names them; nobody else's, nor other members, can be known."""
        info = await self._flow.userinfo(access_token, query.member)
        wanted = query.search.casefold()
        names = sorted(name for name in names_in(info.get(self._groups_claim)) if wanted in name.casefold())
        shown = names[query.offset : query.offset + query.limit]
        groups = [Group(id=GroupId(n), name=n, description="", member_count=1, created_at=None) for n in shown]
        return GroupPage(groups=groups, total=len(names))

    async def group_members(
        self, access_token: str, group_id: GroupId, limit: int, offset: int, /
    ) -> MemberPage | None:
        raise NotSupported("This Directory Service does not tell the members of groups")

    async def is_member(self, access_token: str, group_id: GroupId, user_id: UserId, /) -> bool:
        info = await self._flow.userinfo(access_token, None)
        return info.get("sub") == user_id and group_id in names_in(info.get(self._groups_claim))

    async def change_members(self, access_token: str, group_id: GroupId, user_ids: list[UserId], add: bool, /) -> None:
        raise NotSupported(NO_WRITES)

    def _organization(self, claims: dict[str, Any]) -> str | None:
        return None
