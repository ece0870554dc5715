"""Zitadel's user, authorization and group services, with its quirks: the Connect protocol over JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from generalbots_api.backends.dev_directory.endpoints import bearer
from generalbots_api.backends.dev_directory.people import ORGANIZATION_ID, Group, User
from generalbots_api.backends.dev_directory.state import State

STATUSES = {
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "already_exists": 409,
    "unimplemented": 501,
}
Json = dict[str, Any]
Method = Callable[[User, Json], Json]


class Failed(Exception):
    """An error of a service, by its Connect code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class ZitadelServices:
    state: State

    async def call(self, request: Request) -> Response:
        try:
            answer = await self._answer(request)
        except Failed as error:
            body = {"code": error.code, "message": error.message, "details": []}
            return JSONResponse(body, STATUSES[error.code])
        return JSONResponse(answer)

    async def _answer(self, request: Request) -> Json:
        found = self.state.user_of(bearer(request))
        if found is None:
            raise Failed("unauthenticated", "token invalid (AUTH-7fs1e)")
        user, _ = found
        method = self._methods().get(f"{request.path_params['service']}/{request.path_params['method']}")
        if method is None:
            raise Failed("unimplemented", "unknown method")
        try:
            body = msgspec.json.decode(await request.body(), type=dict)
        except msgspec.MsgspecError:
            raise Failed("invalid_argument", "body is not JSON") from None
        answer: Json = without_zeros(method(user, body))
        return answer

    def _methods(self) -> dict[str, Method]:
        users, groups = "zitadel.user.v2.UserService", "zitadel.group.v2.GroupService"
        return {
            f"{users}/GetUserByID": self._get_user,
            f"{users}/UpdateUser": self._update_user,
            "zitadel.authorization.v2.AuthorizationService/ListAuthorizations": self._list_authorizations,
            f"{groups}/CreateGroup": self._create_group,
            f"{groups}/ListGroups": self._list_groups,
            f"{groups}/ListGroupUsers": self._list_group_users,
            f"{groups}/AddUsersToGroup": lambda user, body: self._change_members(user, body, add=True),
            f"{groups}/RemoveUsersFromGroup": lambda user, body: self._change_members(user, body, add=False),
        }

    def _get_user(self, user: User, body: Json) -> Json:
        wanted = self.state.people.users.get(str(body.get("userId")))
        if wanted is None or (wanted is not user and "admin" not in user.roles):
            raise Failed("not_found", "User could not be found (QUERY-Dfbg2)")
        return {"user": shown_user(wanted)}

    def _update_user(self, user: User, body: Json) -> Json:
        if body.get("userId") != user.id:
            raise Failed("not_found", "User could not be found (AUTHZ-HKJD33)")
        human = body.get("human", {})
        email, profile = human.get("email", {}), human.get("profile", {})
        if "isVerified" in email:
            raise Failed("permission_denied", "No matching permissions found (AUTH-AWfge)")
        address = email.get("email")
        if address is not None and self.state.people.has_email(address, user):
            raise Failed("already_exists", "User already exists (V3-DKcYh)")
        if address is not None and address != user.email:
            user.email, user.is_email_verified = str(address), False
        user.first_name = str(profile.get("givenName", user.first_name))
        user.last_name = str(profile.get("familyName", user.last_name))
        return {"changeDate": self._now()}

    def _list_authorizations(self, user: User, body: Json) -> Json:
        ids = filtered(body, "inUserIds", "ids") or [user.id]
        projects = filtered(body, "projectId", "id")
        found = [
            {
                "id": f"4{one.id[1:]}",
                "project": {"id": self.state.project_id, "name": "General Bots"},
                "user": {"id": one.id, "preferredLoginName": one.username},
                "state": "STATE_ACTIVE",
                "roles": [{"key": role, "displayName": role} for role in sorted(one.roles)],
            }
            for one in self._visible_users(user, ids)
            if one.roles and (not projects or self.state.project_id in projects)
        ]
        return {"authorizations": found, "pagination": {"totalResult": str(len(found))}}

    def _visible_users(self, user: User, ids: list[str]) -> list[User]:
        """One's own need no permission."""
        users = [self.state.people.users[id] for id in ids if id in self.state.people.users]
        return [one for one in users if one is user or "admin" in user.roles]

    def _create_group(self, user: User, body: Json) -> Json:
        if "admin" not in user.roles or body.get("organizationId") != ORGANIZATION_ID:
            raise Failed("not_found", "membership not found (AUTHZ-cdgFk)")
        name = str(body.get("name", ""))
        if not 1 <= len(name) <= 200 or len(str(body.get("description", ""))) > 200:
            raise Failed("invalid_argument", "invalid CreateGroupRequest")
        if self.state.people.has_group(name):
            raise Failed("already_exists", "group already exists (SQL-M0fsf)")
        group = self.state.people.add_group(name, str(body.get("description", "")), self.state.clock.now())
        return {"id": group.id, "creationDate": self._now()}

    def _list_groups(self, user: User, body: Json) -> Json:
        ids = filtered(body, "groupIds", "ids")
        names = filtered(body, "nameFilter", "name")
        groups = [
            one
            for one in self.state.people.groups_seen_by(user)
            if (not ids or one.id in ids) and all(name.casefold() in one.name.casefold() for name in names)
        ]
        groups.sort(key=lambda one: one.name.casefold())
        return paged(body, "groups", [shown_group(one) for one in groups])

    def _list_group_users(self, user: User, body: Json) -> Json:
        ids, user_ids = filtered(body, "groupIds", "ids"), filtered(body, "userIds", "ids")
        rows = [
            {
                "groupId": group.id,
                "organizationId": ORGANIZATION_ID,
                "user": {
                    "id": id,
                    "preferredLoginName": self.state.people.users[id].username,
                    "displayName": self.state.people.users[id].display_name,
                },
                "creationDate": stamp(since),
            }
            for group in self.state.people.groups_seen_by(user)
            for id, since in group.members.items()
            if (not ids or group.id in ids) and (not user_ids or id in user_ids)
        ]
        return paged(body, "groupUsers", rows)

    def _change_members(self, user: User, body: Json, *, add: bool) -> Json:
        if "admin" not in user.roles:
            raise Failed("not_found", "membership not found (AUTHZ-cdgFk)")
        group = self.state.people.groups.get(str(body.get("id")))
        ids = [str(id) for id in body.get("userIds", [])]
        if group is None or (add and any(id not in self.state.people.users for id in ids)):
            raise Failed("failed_precondition", "Errors.Group.NotFound (CMDGRP-eQfeur)")
        for id in ids:
            if add:
                group.members.setdefault(id, self.state.clock.now())
            else:
                group.members.pop(id, None)
        return {"changeDate": self._now()}

    def _now(self) -> str:
        return stamp(self.state.clock.now())


def shown_user(user: User) -> Json:
    return {
        "userId": user.id,
        "details": {"sequence": "1", "creationDate": stamp(user.created_at), "resourceOwner": ORGANIZATION_ID},
        "state": "USER_STATE_ACTIVE" if user.is_active else "USER_STATE_INACTIVE",
        "username": user.username,
        "preferredLoginName": user.username,
        "human": {
            "profile": {
                "givenName": user.first_name,
                "familyName": user.last_name,
                "displayName": user.display_name,
            },
            "email": {"email": user.email, "isVerified": user.is_email_verified},
        },
    }


def shown_group(group: Group) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "organizationId": ORGANIZATION_ID,
        "creationDate": stamp(group.created_at),
    }


def stamp(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")


def filtered(body: Json, kind: str, field: str) -> list[str]:
    """The values that the filters of one kind name."""
    found: list[str] = []
    for one in body.get("filters", []):
        value = one.get(kind, {}).get(field, [])
        found += [str(item) for item in value] if isinstance(value, list) else [str(value)]
    return found


def paged(body: Json, field: str, items: list[Json]) -> Json:
    pagination = body.get("pagination", {})
    offset, limit = int(pagination.get("offset", 0)), int(pagination.get("limit", 0)) or 100
    return {
        field: items[offset : offset + limit],
        "pagination": {"totalResult": str(len(items)), "appliedLimit": str(limit)},
    }


def without_zeros(value: Any) -> Any:
    """proto3's JSON: false, 0, "" and empty lists are left out, a message that is set is not."""
    if isinstance(value, dict):
        kept = {key: without_zeros(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (False, "", "0", []) or one == {}}
    return [without_zeros(one) for one in value] if isinstance(value, list) else value
