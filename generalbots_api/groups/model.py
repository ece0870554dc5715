"""Groups and their members as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import GroupId, UserId

MAX_NAME = 200
MAX_DESCRIPTION = 200
MAX_MEMBERS_A_CALL = 100
MAX_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    id: GroupId
    name: str
    description: str
    member_count: int
    created_at: datetime | None  # aware, UTC; None: the Directory does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    user_id: UserId
    username: str
    email: str | None
    joined_at: datetime | None
    role: str = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """What a group is made of.

    Raises:
        InvalidRequest: a name or description out of bounds, or too many members.
    """

    name: str
    description: str = ""
    members: tuple[UserId, ...] = ()

    def __post_init__(self) -> None:
        wrong = {}
        if not self.name.strip() or len(self.name) > MAX_NAME or has_control(self.name):
            wrong["name"] = f"must be 1 to {MAX_NAME} characters, without control characters"
        if len(self.description) > MAX_DESCRIPTION or has_control(self.description):
            wrong["description"] = f"must be at most {MAX_DESCRIPTION} characters, without control characters"
        if len(self.members) > MAX_MEMBERS_A_CALL:
            wrong["members"] = f"must be at most {MAX_MEMBERS_A_CALL}"
        if wrong:
            raise InvalidRequest("The group cannot be made like this", fields=wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """Which groups, and which page of them. `member` None: every group that may be seen."""

    member: UserId | None
    search: str = ""
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPage:
    groups: list[Group]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    members: list[Member]
    total: int
    group_name: str = ""  # empty: the Directory does not say


def has_control(text: str) -> bool:
    return any(ord(c) < 32 or ord(c) == 127 for c in text)
