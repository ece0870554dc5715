"""Groups: who may see which, and changes to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, replace
from typing import Literal

from generalbots_api.caller import Caller
from generalbots_api.errors import ApiError, Conflict, InvalidRequest, NotFound
from generalbots_api.groups.model import (
    MAX_MEMBERS_A_CALL,
    Group,
    GroupPage,
    GroupQuery,
    MemberPage,
    NewGroup,
)
from generalbots_api.groups.ports import DirectoryCalls, FreshRoles, GroupDirectory
from generalbots_api.ids import GroupId, UserId
from generalbots_api.through import carried_through

Outcome = Literal["added", "removed", "unchanged", "failed"]
GroupsChanged = Callable[[list[UserId], Set[str], bool], Awaitable[None]]
"""Told who came into or went out of which group (its id and name), so that their permissions follow at once."""


@dataclass(frozen=True, slots=True)
class MemberResult:
    user_id: UserId
    status: Outcome
    error: ApiError | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups live in the Directory; it decides who may write them, as it is asked as the caller.

    Every method raises what `GroupDirectory` and `DirectoryCalls` raise.
    """

    directory: GroupDirectory
    calls: DirectoryCalls
    roles: FreshRoles
    admin_roles: Set[str]
    groups_changed: GroupsChanged

    async def sees_all(self, caller: Caller) -> bool:
        """Whoever was an admin lately is asked about again, as for any admin call."""
        return self._is_admin(caller) and self._is_admin(await self.roles.confirmed(caller))

    def _is_admin(self, caller: Caller) -> bool:
        return not self.admin_roles.isdisjoint(caller.roles)

    async def create(self, caller: Caller, group: NewGroup) -> Group:
        """Make a group and put its members in.

        Raises, besides:
            Conflict: the name is taken.
            InvalidRequest: a member does not exist: the group is there then, without members.
        """
        made = await self.calls.as_caller(
            caller, lambda token: self.directory.create_group(token, caller.organization_id, group)
        )
        if group.members:
            members = list(dict.fromkeys(group.members))
            try:
                await self._change(caller, made.id, made.name, members, add=True)
            except NotFound:
                raise InvalidRequest(
                    "The group was made, but a member does not exist", fields={"members": "unknown user"}
                ) from None
            made = replace(made, member_count=len(members))
        return made

    async def listed(self, caller: Caller, query: GroupQuery) -> GroupPage:
        """The groups that the caller may see: every one for an admin, else the caller's own."""
        visible = replace(query, member=None if await self.sees_all(caller) else caller.user_id)
        return await self.calls.as_caller(caller, lambda token: self.directory.groups(token, visible))

    async def members(self, caller: Caller, id: GroupId, limit: int, offset: int) -> MemberPage:
        """Raises, besides:
        NotFound: no such group, or one that the caller may not see.
        """
        await self._check_visible(caller, id)
        page = await self.calls.as_caller(caller, lambda token: self.directory.group_members(token, id, limit, offset))
        if page is None:
            raise NotFound("There is no such group")
        return page

    async def change_members(
        self, caller: Caller, id: GroupId, user_ids: list[UserId], *, add: bool
    ) -> list[MemberResult]:
        """Add or remove members, and say what became of each, in the order given.

        Raises, besides:
            InvalidRequest: no user, or too many.
            NotFound: no such group, or one that the caller may not see.
        """
        if not 1 <= len(user_ids) <= MAX_MEMBERS_A_CALL:
            raise InvalidRequest("The members are refused", fields={"user_ids": f"must be 1 to {MAX_MEMBERS_A_CALL}"})
        name = (await self.members(caller, id, 1, 0)).group_name
        return [await self._change_one(caller, id, name, one, add=add) for one in dict.fromkeys(user_ids)]

    async def _change_one(self, caller: Caller, id: GroupId, name: str, user_id: UserId, *, add: bool) -> MemberResult:
        """The write is idempotent and always made: the read may lag, and is for the outcome's name only."""
        is_member = await self.calls.as_caller(caller, lambda token: self.directory.is_member(token, id, user_id))
        try:
            await self._change(caller, id, name, [user_id], add=add)
        except (NotFound, Conflict, InvalidRequest) as error:
            return MemberResult(user_id, "unchanged") if is_member == add else MemberResult(user_id, "failed", error)
        if is_member == add:
            return MemberResult(user_id, "unchanged")
        return MemberResult(user_id, "added" if add else "removed")

    async def _change(self, caller: Caller, id: GroupId, name: str, user_ids: list[UserId], *, add: bool) -> None:
        """Carried through: a change that the Directory made and nobody here was told of would not be felt."""

        async def change() -> None:
            await self.calls.as_caller(caller, lambda token: self.directory.change_members(token, id, user_ids, add))
            await self.groups_changed(user_ids, {id, name} - {""}, add)

        await carried_through(change())

    async def _check_visible(self, caller: Caller, id: GroupId) -> None:
        if await self.sees_all(caller):
            return
        if not await self.calls.as_caller(caller, lambda token: self.directory.is_member(token, id, caller.user_id)):
            raise NotFound("There is no such group")
