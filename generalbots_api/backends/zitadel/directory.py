"""`ZitadelDirectory`: OpenID Connect from `oidc`, and the rest from Zitadel's services."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2

from generalbots_api.auth.model import Secret, Standing
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.backends.oidc.claims import names_in
from generalbots_api.backends.oidc.strict import Json
from generalbots_api.backends.zitadel.calls import Services
from generalbots_api.backends.zitadel.errors import ServiceMissing
from generalbots_api.backends.zitadel.groups import ZitadelGroups
from generalbots_api.backends.zitadel.recent import Recent
from generalbots_api.backends.zitadel.users import ZitadelUsers
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.errors import NotFound
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, MemberPage, NewGroup
from generalbots_api.ids import GroupId, UserId
from generalbots_api.users.model import Profile, ProfileChange

RESOURCE_OWNER = "urn:zitadel:iam:user:resourceowner:id"


def scopes_for(project_id: str) -> Sequence[str]:
    """Source: directory page, "Scopes to ask for". The audience of Zitadel itself lets users call its services."""
    return (
        "openid",
        "profile",
        "email",
        "offline_access",
        "urn:zitadel:iam:org:projects:roles",
        f"urn:zitadel:iam:org:project:id:{project_id}:aud",
        "urn:zitadel:iam:org:project:id:zitadel:aud",
        "urn:zitadel:iam:user:resourceowner",
    )


def roles_in(claims: Json, project_id: str) -> frozenset[str]:
    """Source: directory page, "OIDC": the claim of our project, else that of the project that asks."""
    own = claims.get(f"urn:zitadel:iam:org:project:{project_id}:roles")
    return frozenset(names_in(own if own is not None else claims.get("urn:zitadel:iam:org:project:roles")))


class ZitadelDirectory(OidcDirectory):
    """`generalbots_api.directory.Directory` over a Zitadel instance (v4).

    Every call goes out with the user's own access token. `organization_id` is
    where groups are made when a user's own organisation is not told.

    Raises:
        ValueError: the issuer is not an https URL (http on loopback with `for_development`).
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        project_id: str,
        organization_id: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        for_development: bool = False,
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(
            issuer,
            client_id,
            client_secret,
            scopes=scopes_for(project_id),
            transport=transport,
            clock=clock,
            for_development=for_development,
        )
        self._organization_id = organization_id
        self._project_id = project_id
        services = Services(self._outgoing, issuer)
        self._users = ZitadelUsers(services, project_id, Recent(clock.monotonic))
        self._groups = ZitadelGroups(services, self._users, Recent(clock.monotonic), Recent(clock.monotonic))

    async def standing(self, access_token: Secret, user_id: UserId, /) -> Standing:
        token = access_token.reveal()
        if not await self._is_active(token, user_id):
            return Standing(active=False)
        return Standing(roles=await self._roles(token, user_id), groups=await self._groups.names_of(token, user_id))

    async def _roles(self, token: str, user_id: UserId) -> frozenset[str]:
        """By the authorization service; an instance without it tells them in the userinfo."""
        try:
            return await self._users.roles(token, user_id)
        except ServiceMissing:
            return roles_in(await self._flow.userinfo(token, user_id), self._project_id)

    async def _is_active(self, token: str, user_id: UserId) -> bool:
        try:
            return await self._users.is_active(token, user_id)
        except NotFound:
            return False

    async def profile(self, access_token: str, user_id: UserId, /) -> Profile:
        return await self._users.profile(access_token, user_id)

    async def change_profile(self, access_token: str, user_id: UserId, change: ProfileChange, /) -> Profile:
        return await self._users.change(access_token, user_id, change)

    async def create_group(self, access_token: str, organization_id: str | None, group: NewGroup, /) -> Group:
        return await self._groups.create(access_token, organization_id or self._organization_id, group)

    async def groups(self, access_token: str, query: GroupQuery, /) -> GroupPage:
        return await self._groups.page(access_token, query)

    async def group_members(
        self, access_token: str, group_id: GroupId, limit: int, offset: int, /
    ) -> MemberPage | None:
        return await self._groups.members(access_token, group_id, limit, offset)

    async def is_member(self, access_token: str, group_id: GroupId, user_id: UserId, /) -> bool:
        return await self._groups.is_member(access_token, group_id, user_id)

    async def change_members(self, access_token: str, group_id: GroupId, user_ids: list[UserId], add: bool, /) -> None:
        await self._groups.change(access_token, group_id, user_ids, add=add)

    def _organization(self, claims: Json) -> str | None:
        found = claims.get(RESOURCE_OWNER)
        return found if isinstance(found, str) and found else self._organization_id
