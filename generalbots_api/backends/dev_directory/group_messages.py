"""Requests of the group service, and which groups a filter means."""

from __future__ import annotations

from enum import StrEnum

from generalbots_api.backends.dev_directory.messages import Id, Ids, Message, OneOf, Pagination, TextMethod
from generalbots_api.backends.dev_directory.people import ORGANIZATION_ID, Group


class GroupField(StrEnum):
    UNSPECIFIED = "FIELD_NAME_UNSPECIFIED"
    ID = "FIELD_NAME_ID"
    NAME = "FIELD_NAME_NAME"
    CREATION_DATE = "FIELD_NAME_CREATION_DATE"
    CHANGE_DATE = "FIELD_NAME_CHANGE_DATE"


class NameFilter(Message, frozen=True):
    name: str = ""
    method: TextMethod = TextMethod.EQUALS


class GroupFilter(OneOf, frozen=True):
    group_ids: Ids | None = None
    name_filter: NameFilter | None = None
    organization_id: Id | None = None

    def fits(self, group: Group) -> bool:
        if self.group_ids is not None:
            return group.id in self.group_ids.ids
        if self.name_filter is not None:
            return self.name_filter.method.fits(group.name, self.name_filter.name)
        return self.organization_id is not None and self.organization_id.id == ORGANIZATION_ID


class MemberFilter(OneOf, frozen=True):
    group_ids: Ids | None = None
    user_ids: Ids | None = None

    def fits(self, group_id: str, user_id: str) -> bool:
        if self.group_ids is not None:
            return group_id in self.group_ids.ids
        return self.user_ids is not None and user_id in self.user_ids.ids


class CreateGroup(Message, frozen=True):
    organization_id: str = ""
    name: str = ""
    description: str = ""


class ListGroups(Message, frozen=True):
    filters: tuple[GroupFilter, ...] = ()
    pagination: Pagination | None = None
    sorting_column: GroupField = GroupField.UNSPECIFIED


class ListGroupUsers(Message, frozen=True):
    filters: tuple[MemberFilter, ...] = ()
    pagination: Pagination | None = None


class ChangeMembers(Message, frozen=True):
    id: str = ""
    user_ids: tuple[str, ...] = ()
