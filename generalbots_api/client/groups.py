"""Methods for groups."""

from __future__ import annotations

from collections.abc import Sequence

from generalbots_api.client.calls import Calls, query
from generalbots_api.client.model import Group, Groups, MemberResults, Members
from generalbots_api.client.origin import segment
from generalbots_api.client.requests import Call


class GroupCalls(Calls):
    async def groups(self, *, limit: int | None = None, offset: int | None = None, search: str | None = None) -> Groups:
        """One page of the groups that this user may see."""
        parameters = query({"limit": limit, "offset": offset, "search": search})
        return await self._ask(Groups, Call(method="GET", path="/api/groups/list", query=parameters))

    async def create_group(self, name: str, *, description: str = "", members: Sequence[str] = ()) -> Group:
        body = {"name": name, "description": description, "members": list(members)}
        return await self._ask(Group, Call(method="POST", path="/api/groups/create", body=body))

    async def group_members(self, group_id: str, *, limit: int | None = None, offset: int | None = None) -> Members:
        path = f"/api/groups/{segment(group_id)}/members"
        return await self._ask(Members, Call(method="GET", path=path, query=query({"limit": limit, "offset": offset})))

    async def add_members(self, group_id: str, user_ids: Sequence[str]) -> MemberResults:
        """Add up to 100 users; each has a result of its own."""
        path = f"/api/groups/{segment(group_id)}/members/add"
        return await self._ask(MemberResults, Call(method="POST", path=path, body={"user_ids": list(user_ids)}))

    async def remove_members(self, group_id: str, user_ids: Sequence[str]) -> MemberResults:
        """Remove up to 100 users; each has a result of its own."""
        path = f"/api/groups/{segment(group_id)}/members/remove"
        return await self._ask(MemberResults, Call(method="DELETE", path=path, body={"user_ids": list(user_ids)}))
