"""`zitadel.authorization.v2.AuthorizationService`: who has which roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.messages import Id, Ids, Json, Message, OneOf, Pagination, paged
from generalbots_api.backends.dev_directory.people import ORGANIZATION_ID, ORGANIZATION_NAME, User
from generalbots_api.backends.dev_directory.rpc import Method, rpc

SERVICE = "zitadel.authorization.v2.AuthorizationService"


class State(StrEnum):
    ACTIVE = "STATE_ACTIVE"
    INACTIVE = "STATE_INACTIVE"


class StateFilter(Message, frozen=True):
    state: State


class Filter(OneOf, frozen=True):
    in_user_ids: Ids | None = None
    project_id: Id | None = None
    state: StateFilter | None = None
    organization_id: Id | None = None


class ListAuthorizations(Message, frozen=True):
    filters: tuple[Filter, ...] = ()
    pagination: Pagination | None = None
    sorting_column: str | None = None  # there is one order: by user


@dataclass(frozen=True, slots=True)
class AuthorizationService:
    core: Core

    def methods(self) -> dict[str, Method]:
        return {f"{SERVICE}/ListAuthorizations": rpc(ListAuthorizations, self._list)}

    def _list(self, caller: User, asked: ListAuthorizations) -> Json:
        """Everyone sees his own, an admin all; all are of one project, one for each state in which a user has roles."""
        found = [
            self._shown(user, state, roles)
            for user in self.core.people.users.values()
            for state, roles in ((State.ACTIVE, user.roles), (State.INACTIVE, user.inactive_roles))
            if roles
            and (user is caller or caller.is_admin)
            and all(self._fits(one, user, state) for one in asked.filters)
        ]
        return paged("authorizations", found, asked.pagination)

    def _fits(self, wanted: Filter, user: User, state: State) -> bool:
        if wanted.in_user_ids is not None:
            return user.id in wanted.in_user_ids.ids
        if wanted.project_id is not None:
            return wanted.project_id.id == self.core.project_id
        if wanted.organization_id is not None:
            return wanted.organization_id.id == ORGANIZATION_ID
        return wanted.state is not None and wanted.state.state is state

    def _shown(self, user: User, state: State, roles: set[str]) -> Json:
        return {
            "id": f"{user.id}{'01' if state is State.ACTIVE else '02'}",
            "creationDate": user.created_at,
            "changeDate": user.created_at,
            "project": {"id": self.core.project_id, "name": "General Bots", "organizationId": ORGANIZATION_ID},
            "organization": {"id": ORGANIZATION_ID, "name": ORGANIZATION_NAME},
            "user": {
                "id": user.id,
                "preferredLoginName": user.username,
                "displayName": user.display_name,
                "organizationId": ORGANIZATION_ID,
            },
            "state": state,
            "roles": [{"key": role, "displayName": role} for role in sorted(roles)],
        }
