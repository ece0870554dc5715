"""HTTP door to groups and their members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from generalbots_api.errors import Conflict, Forbidden, InvalidRequest, NotFound
from generalbots_api.groups.model import MAX_PAGE, Group, GroupQuery, Member, NewGroup
from generalbots_api.groups.service import Groups, MemberResult
from generalbots_api.ids import GroupId, UserId
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.errors import ErrorObject, error_object
from generalbots_api.web.reply import Reply, json_reply
from generalbots_api.web.request import FORM, ApiRequest

MAX_SEARCH = 200
UserIdText = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class CreateGroup(msgspec.Struct):
    name: str
    description: str = ""
    members: list[UserIdText] = []


class GroupsQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 20
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    search: Annotated[str, msgspec.Meta(max_length=MAX_SEARCH)] = ""


class MembersQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 20
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class MembersChange(msgspec.Struct):
    user_id: UserIdText | None = None
    user_ids: list[UserIdText] | None = None


class GroupJson(msgspec.Struct, kw_only=True):
    id: GroupId
    name: str
    description: str
    member_count: int
    created_at: datetime | None


class CreatedGroupJson(GroupJson, kw_only=True):
    group_id: GroupId
    success: bool
    message: str


class GroupsJson(msgspec.Struct):
    groups: list[GroupJson]
    total: int
    limit: int
    offset: int


class MemberJson(msgspec.Struct):
    user_id: UserId
    username: str
    email: str | None
    role: str
    joined_at: datetime | None


class MembersJson(msgspec.Struct):
    members: list[MemberJson]
    total: int
    limit: int
    offset: int


class ResultJson(msgspec.Struct, omit_defaults=True):
    user_id: UserId
    status: str
    error: ErrorObject | None = None


class ResultsJson(msgspec.Struct):
    success: bool
    message: str
    results: list[ResultJson]


@dataclass(frozen=True, slots=True)
class GroupRoutes:
    groups: Groups

    def endpoints(self) -> list[Endpoint]:
        change = Docs(takes=MembersChange, gives=ResultsJson, raises=(InvalidRequest, Forbidden, NotFound))
        return [
            Endpoint(
                method="POST",
                path="/api/groups/create",
                handler=self.create,
                docs=Docs(
                    takes=CreateGroup,
                    gives=CreatedGroupJson,
                    status=201,
                    raises=(InvalidRequest, Forbidden, Conflict),
                    also_form=True,
                ),
            ),
            Endpoint(
                method="GET",
                path="/api/groups/list",
                handler=self.list_groups,
                docs=Docs(query=GroupsQuery, gives=GroupsJson, raises=(InvalidRequest,)),
            ),
            Endpoint(
                method="GET",
                path="/api/groups/{id}/members",
                handler=self.members,
                docs=Docs(query=MembersQuery, gives=MembersJson, raises=(InvalidRequest, NotFound)),
            ),
            Endpoint(method="POST", path="/api/groups/{id}/members/add", handler=self.add, docs=change),
            Endpoint(method="DELETE", path="/api/groups/{id}/members/remove", handler=self.remove, docs=change),
        ]

    async def create(self, request: ApiRequest) -> Reply:
        """Make a group, with members if any are named."""
        wanted = await new_group(request)
        group = await self.groups.create(
            request.caller,
            NewGroup(
                name=wanted.name,
                description=wanted.description,
                members=tuple(UserId(member) for member in wanted.members),
            ),
        )
        made = CreatedGroupJson(**group_fields(group), group_id=group.id, success=True, message="Group created")
        return json_reply(made, 201)

    async def list_groups(self, request: ApiRequest) -> Reply:
        """List the groups that the caller may see."""
        query = request.query(GroupsQuery)
        page = await self.groups.listed(
            request.caller,
            GroupQuery(member=None, search=query.search, limit=query.limit, offset=query.offset),
        )
        groups = [GroupJson(**group_fields(group)) for group in page.groups]
        return json_reply(GroupsJson(groups, page.total, query.limit, query.offset))

    async def members(self, request: ApiRequest) -> Reply:
        """List the members of a group."""
        query = request.query(MembersQuery)
        id = GroupId(request.path_param("id"))
        page = await self.groups.members(request.caller, id, query.limit, query.offset)
        return json_reply(MembersJson([shown(one) for one in page.members], page.total, query.limit, query.offset))

    async def add(self, request: ApiRequest) -> Reply:
        """Add members to a group."""
        return await self._change(request, add=True)

    async def remove(self, request: ApiRequest) -> Reply:
        """Remove members from a group."""
        return await self._change(request, add=False)

    async def _change(self, request: ApiRequest, *, add: bool) -> Reply:
        change = await request.json(MembersChange)
        wanted = [*([change.user_id] if change.user_id else []), *(change.user_ids or [])]
        results = await self.groups.change_members(
            request.caller, GroupId(request.path_param("id")), [UserId(one) for one in wanted], add=add
        )
        failed = sum(one.status == "failed" for one in results)
        message = f"{failed} of {len(results)} could not be changed" if failed else "Members changed"
        return json_reply(ResultsJson(not failed, message, [result(one) for one in results]))


async def new_group(request: ApiRequest) -> CreateGroup:
    """The group of a JSON body, or of a form whose `members` comes once for each."""
    if request.media_type != FORM:
        return await request.json(CreateGroup)
    form = await request.form()
    if len(form.get("name", [])) != 1 or len(form.get("description", [])) > 1:
        raise InvalidRequest("The group is refused", fields={"name": "must come once"})
    members = [one.strip() for text in form.get("members", []) for one in text.split(",") if one.strip()]
    return CreateGroup(form["name"][0], form.get("description", [""])[0], members)


def group_fields(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "member_count": group.member_count,
        "created_at": group.created_at,
    }


def shown(member: Member) -> MemberJson:
    return MemberJson(member.user_id, member.username, member.email, member.role, member.joined_at)


def result(one: MemberResult) -> ResultJson:
    return ResultJson(one.user_id, one.status, error_object(one.error) if one.error else None)
