"""What groups need from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from generalbots_api.caller import Caller
from generalbots_api.groups.model import Group, GroupPage, GroupQuery, MemberPage, NewGroup
from generalbots_api.ids import GroupId, UserId

T = TypeVar("T")


class GroupDirectory(Protocol):
    """Keeps groups, as the user whose access token is given.

    Every method raises `Unauthorized` (token no longer accepted), `Forbidden`,
    `BadGateway`, `Unavailable`, or `NotSupported` where the Directory has no
    groups of its own.
    """

    async def create_group(self, access_token: str, organization_id: str | None, group: NewGroup, /) -> Group:
        """Make the group, without its members yet.

        Raises, besides:
            Conflict: the name is taken, whatever its case.
        """

    async def groups(self, access_token: str, query: GroupQuery, /) -> GroupPage:
        """One page, ordered by name."""

    async def group_members(
        self, access_token: str, group_id: GroupId, limit: int, offset: int, /
    ) -> MemberPage | None:
        """One page, in the order of joining; None: no such group."""

    async def is_member(self, access_token: str, group_id: GroupId, user_id: UserId, /) -> bool: ...

    async def change_members(self, access_token: str, group_id: GroupId, user_ids: list[UserId], add: bool, /) -> None:
        """Add or remove all of them, in one step.

        Raises, besides:
            NotFound: no such group or user.
        """


class FreshRoles(Protocol):
    async def confirmed(self, caller: Caller, /) -> Caller:
        """The caller with roles as fresh as an admin call asks for; see `admin.ports.FreshRoles`."""


class DirectoryCalls(Protocol):
    """Calls the Directory in a caller's name; see `users.ports.DirectoryCalls`."""

    async def as_caller(self, caller: Caller, call: Callable[[str], Awaitable[T]], /) -> T: ...
