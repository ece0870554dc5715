"""`zitadel.group.v2.GroupService`: groups and their members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import ServiceError
from generalbots_api.backends.dev_directory.group_messages import (
    ChangeMembers,
    CreateGroup,
    GroupField,
    ListGroups,
    ListGroupUsers,
)
from generalbots_api.backends.dev_directory.messages import Json, check_length, paged
from generalbots_api.backends.dev_directory.people import MAX_GROUPS, ORGANIZATION_ID, Group, User
from generalbots_api.backends.dev_directory.rpc import Method, hidden, rpc

SERVICE = "zitadel.group.v2.GroupService"
NO_PERMISSION = "membership not found (AUTHZ-cdgFk)"


@dataclass(frozen=True, slots=True)
class GroupService:
    """Writes are for admins; everyone else is told that there is no such thing. Reads show what one may see."""

    core: Core

    def methods(self) -> dict[str, Method]:
        return {
            f"{SERVICE}/CreateGroup": rpc(CreateGroup, self._create),
            f"{SERVICE}/ListGroups": rpc(ListGroups, self._list),
            f"{SERVICE}/ListGroupUsers": rpc(ListGroupUsers, self._list_users),
            f"{SERVICE}/AddUsersToGroup": rpc(ChangeMembers, self._add_users),
            f"{SERVICE}/RemoveUsersFromGroup": rpc(ChangeMembers, self._remove_users),
        }

    def _create(self, caller: User, asked: CreateGroup) -> Json:
        check_length("organizationId", asked.organization_id, 1, 200)
        check_length("name", asked.name.strip(), 1, 200)
        check_length("description", asked.description, 0, 200)
        if not caller.is_admin or asked.organization_id != ORGANIZATION_ID:
            raise hidden(NO_PERMISSION)
        if self.core.people.has_group(asked.name):
            raise ServiceError("already_exists", "Errors.Group.AlreadyExists (SQL-M0fsf)")
        if len(self.core.people.groups) >= MAX_GROUPS:
            raise ServiceError("resource_exhausted", "there are too many groups")
        group = self.core.people.add_group(asked.name, asked.description, self.core.clock.now())
        return {"id": group.id, "creationDate": group.created_at}

    def _list(self, caller: User, asked: ListGroups) -> Json:
        seen = self.core.people.groups_seen_by(caller)
        found = [group for group in seen if all(one.fits(group) for one in asked.filters)] if asked.filters else seen
        if asked.sorting_column is not GroupField.NAME:
            found.sort(key=_ORDERS.get(asked.sorting_column, _by_creation))
        page = paged("groups", found, asked.pagination)
        return {**page, "groups": [shown(group) for group in page["groups"]]}

    def _list_users(self, caller: User, asked: ListGroupUsers) -> Json:
        """By the time they came."""
        people = self.core.people
        named = next((one.group_ids.ids for one in asked.filters if one.group_ids is not None), None)
        seen = people.groups_seen_by(caller) if named is None else people.groups_of_ids(caller, named)
        rows = [
            (since, group.id, user_id)
            for group in seen
            for user_id, since in group.members.items()
            if all(one.fits(group.id, user_id) for one in asked.filters)
        ]
        return paged("groupUsers", [self._member(*row) for row in sorted(rows)], asked.pagination)

    def _add_users(self, caller: User, asked: ChangeMembers) -> Json:
        group, now = self._writable(caller, asked), self.core.clock.now()
        if any(user_id not in self.core.people.users for user_id in asked.user_ids):
            raise ServiceError("failed_precondition", "Errors.User.NotFound (CMDGRP-eQfeur)")
        return self._changed(group, dict.fromkeys(asked.user_ids, now) | group.members, now)

    def _remove_users(self, caller: User, asked: ChangeMembers) -> Json:
        """Also those who are not in it, or are nobody."""
        group = self._writable(caller, asked)
        left = {user_id: since for user_id, since in group.members.items() if user_id not in asked.user_ids}
        return self._changed(group, left, self.core.clock.now())

    def _writable(self, caller: User, asked: ChangeMembers) -> Group:
        """Raises:
        ServiceError: `not_found` for want of permission, `failed_precondition` for an unknown group.
        """
        check_length("id", asked.id, 1, 200)
        if not asked.user_ids:
            raise ServiceError("invalid_argument", "userIds: at least one is required")
        if not caller.is_admin:
            raise hidden(NO_PERMISSION)
        group = self.core.people.groups.get(asked.id)
        if group is None:
            raise ServiceError("failed_precondition", "Errors.Group.NotFound (CMDGRP-eQfeur)")
        return group

    def _changed(self, group: Group, members: dict[str, datetime], now: datetime) -> Json:
        """The same members again change nothing, and the date stays."""
        if members != group.members:
            group.members, group.changed_at = members, now
        return {"changeDate": group.changed_at}

    def _member(self, since: datetime, group_id: str, user_id: str) -> Json:
        user = self.core.people.users[user_id]
        return {
            "groupId": group_id,
            "organizationId": ORGANIZATION_ID,
            "user": {
                "id": user.id,
                "preferredLoginName": user.username,
                "displayName": user.display_name,
                "organizationId": ORGANIZATION_ID,
            },
            "creationDate": since,
        }


def _by_creation(group: Group) -> tuple[str, str]:
    return group.created_at.isoformat(), group.id


_ORDERS: dict[GroupField, Callable[[Group], tuple[str, str]]] = {
    GroupField.ID: lambda group: (group.id, ""),
    GroupField.CHANGE_DATE: lambda group: (group.changed_at.isoformat(), group.id),
}


def shown(group: Group) -> Json:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "organizationId": ORGANIZATION_ID,
        "creationDate": group.created_at,
        "changeDate": group.changed_at,
    }
