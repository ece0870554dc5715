"""Zitadel's group service."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import anyio

from generalbots_api.backends.oidc.http import NONSENSE
from generalbots_api.backends.oidc.strict import Json
from generalbots_api.backends.zitadel.calls import Services, instant, number, objects, text
from generalbots_api.backends.zitadel.errors import Precondition, ServiceMissing, Taken
from generalbots_api.backends.zitadel.recent import Recent
from generalbots_api.backends.zitadel.users import ZitadelUsers
from generalbots_api.errors import ApiError, BadGateway, Conflict, Forbidden, NotFound, Unavailable
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, Member, MemberPage, NewGroup
from generalbots_api.ids import GroupId, UserId

log = logging.getLogger("generalbots_api.directory")

SERVICE = "zitadel.group.v2.GroupService"
LOOKUPS_AT_ONCE = 8
LOOKUPS_TIMEOUT = 3.0  # seconds, for all of a page
MAX_NAME_FILTER = 200  # characters
MAX_ID = 200


@dataclass(frozen=True, slots=True)
class ZitadelGroups:
    """Reads lag behind writes: groups made and members changed here lately are known without asking."""

    services: Services
    users: ZitadelUsers
    made: Recent[GroupId, Json]
    memberships: Recent[tuple[UserId, GroupId], bool]

    async def create(self, access_token: str, organization_id: str | None, group: NewGroup) -> Group:
        """What was written, with the id and the time of the answer."""
        if organization_id is None:
            raise Unavailable("The Directory Service does not tell your organisation, where the group would be made")
        body: Json = {"organizationId": organization_id, "name": group.name}
        if group.description:
            body["description"] = group.description
        try:
            made = await self.services.call(access_token, f"{SERVICE}/CreateGroup", body)
        except NotFound:
            raise await self._not_allowed(access_token, "You may not make groups") from None
        except Taken:
            raise Conflict("There is a group of this name", field="name") from None
        id = text(made, "id")
        if not id:
            raise BadGateway(NONSENSE)
        self.made.put(GroupId(id), {**body, "id": id, "creationDate": made.get("creationDate")})
        return Group(
            id=GroupId(id),
            name=group.name,
            description=group.description,
            member_count=0,
            created_at=instant(made, "creationDate"),
        )

    async def page(self, access_token: str, query: GroupQuery) -> GroupPage:
        """One page by name. A member's own groups are few: they are read whole."""
        if query.member is not None:
            return await self._own_page(access_token, query.member, query)
        if len(query.search) > MAX_NAME_FILTER:  # no name is that long
            return GroupPage(groups=[], total=0)
        body: Json = {
            "filters": _name_filter(query.search),
            "pagination": {"offset": str(query.offset), "limit": query.limit, "asc": True},
            "sortingColumn": "FIELD_NAME_NAME",
        }
        answer = await self.services.call(access_token, f"{SERVICE}/ListGroups", body)
        found = objects(answer, "groups")
        return GroupPage(
            groups=await self._with_counts(access_token, found), total=number(answer, "pagination", "totalResult")
        )

    async def _own_page(self, access_token: str, member: UserId, query: GroupQuery) -> GroupPage:
        found = await self._groups_of(access_token, member)
        wanted = query.search.casefold()
        mine = [one for one in found if wanted in text(one, "name").casefold()]
        mine.sort(key=lambda one: text(one, "name").casefold())
        shown = mine[query.offset : query.offset + query.limit]
        return GroupPage(groups=await self._with_counts(access_token, shown), total=len(mine))

    async def names_of(self, access_token: str, user_id: UserId) -> frozenset[str]:
        """The ids and names of a user's groups; none where Zitadel has no groups."""
        try:
            found = await self._groups_of(access_token, user_id)
        except ServiceMissing:
            return frozenset()
        return frozenset(name for one in found for name in (text(one, "id"), text(one, "name")) if name)

    async def _groups_of(self, access_token: str, user_id: UserId) -> list[Json]:
        by_user = {"filters": [{"userIds": {"ids": [user_id]}}]}
        rows = self.services.pages(access_token, f"{SERVICE}/ListGroupUsers", by_user, "groupUsers")
        ids = sorted({text(row, "groupId") async for row in rows if text(row, "user", "id") == user_id})
        if not ids:
            return []
        by_id = {"filters": [{"groupIds": {"ids": ids}}]}
        groups = self.services.pages(access_token, f"{SERVICE}/ListGroups", by_id, "groups")
        return [one async for one in groups if text(one, "id") in ids]

    async def _with_counts(self, access_token: str, found: list[Json]) -> list[Group]:
        """The groups with their member counts, by one list for all of them."""
        counts: Counter[str] = Counter()
        if found:
            body = {"filters": [{"groupIds": {"ids": [text(one, "id") for one in found]}}]}
            async for row in self.services.pages(access_token, f"{SERVICE}/ListGroupUsers", body, "groupUsers"):
                counts[text(row, "groupId")] += 1
        return [
            Group(
                id=GroupId(text(one, "id")),
                name=text(one, "name"),
                description=text(one, "description"),
                member_count=counts[text(one, "id")],
                created_at=instant(one, "creationDate"),
            )
            for one in found
        ]

    async def members(self, access_token: str, id: GroupId, limit: int, offset: int) -> MemberPage | None:
        group = await self._found(access_token, id)
        if group is None:
            return None
        body: Json = {
            "filters": [{"groupIds": {"ids": [id]}}],
            "pagination": {"offset": str(offset), "limit": limit, "asc": True},
        }
        answer = await self.services.call(access_token, f"{SERVICE}/ListGroupUsers", body)
        rows = [row for row in objects(answer, "groupUsers") if text(row, "groupId") == id]
        emails = await self._emails(access_token, [UserId(text(row, "user", "id")) for row in rows])
        return MemberPage(
            members=[_member(row, emails) for row in rows],
            total=number(answer, "pagination", "totalResult"),
            group_name=text(group, "name"),
        )

    async def is_member(self, access_token: str, id: GroupId, user_id: UserId) -> bool:
        written = self.memberships.get((user_id, id))
        if written is not None:
            return written
        if not is_id(id):
            return False
        body = {"filters": [{"groupIds": {"ids": [id]}}, {"userIds": {"ids": [user_id]}}]}
        rows = self.services.pages(access_token, f"{SERVICE}/ListGroupUsers", body, "groupUsers")
        pairs = [(text(row, "groupId"), text(row, "user", "id")) async for row in rows]
        return (id, user_id) in pairs

    async def change(self, access_token: str, id: GroupId, user_ids: list[UserId], *, add: bool) -> None:
        method = "AddUsersToGroup" if add else "RemoveUsersFromGroup"
        body: Json = {"id": id, "userIds": list(user_ids)}
        try:
            await self.services.call(access_token, f"{SERVICE}/{method}", body)
        except Precondition:  # an unknown group or user
            raise NotFound("There is no such group or user") from None
        except NotFound:
            raise await self._not_allowed(access_token, "You may not change the members of this group") from None
        for user_id in user_ids:
            self.memberships.put((user_id, id), add)

    async def _not_allowed(self, access_token: str, message: str) -> ApiError:
        """What 404 of a write means: no permission, or no such service, which a read tells apart."""
        try:
            await self.services.call(access_token, f"{SERVICE}/ListGroups", {"pagination": {"limit": 1}})
        except ServiceMissing as error:
            return error
        return Forbidden(message)

    async def _found(self, access_token: str, id: GroupId) -> Json | None:
        made = self.made.get(id)
        if made is not None:
            return made
        if not is_id(id):
            return None
        body = {"filters": [{"groupIds": {"ids": [id]}}]}
        answer = await self.services.call(access_token, f"{SERVICE}/ListGroups", body)
        return next((one for one in objects(answer, "groups") if text(one, "id") == id), None)

    async def _emails(self, access_token: str, user_ids: Iterable[UserId]) -> dict[UserId, str]:
        """The addresses that the caller may see, a few look-ups at a time; none is worth a long wait."""
        emails: dict[UserId, str] = {}
        bound = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)

        async def look_up(user_id: UserId) -> None:
            async with bound:
                try:
                    emails[user_id] = (await self.users.profile(access_token, user_id)).email
                except ApiError as error:  # not for this caller to see, or not to be had now
                    log.debug("directory.no_email", extra={"reason": error.message})

        with anyio.move_on_after(LOOKUPS_TIMEOUT):
            async with anyio.create_task_group() as tasks:
                for user_id in user_ids:
                    tasks.start_soon(look_up, user_id)
        return emails


def is_id(id: str) -> bool:
    """Whether a group can have this id: Zitadel calls the others invalid instead of unknown."""
    return 0 < len(id) <= MAX_ID


def _name_filter(search: str) -> list[Json]:
    if not search:
        return []
    return [{"nameFilter": {"name": search, "method": "TEXT_FILTER_METHOD_CONTAINS_IGNORE_CASE"}}]


def _member(row: Json, emails: dict[UserId, str]) -> Member:
    user_id = UserId(text(row, "user", "id"))
    return Member(
        user_id=user_id,
        username=text(row, "user", "preferredLoginName"),
        email=emails.get(user_id) or None,
        joined_at=instant(row, "creationDate"),
    )
