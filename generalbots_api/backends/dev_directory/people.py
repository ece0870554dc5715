"""Users, roles and groups of the development directory, in memory.

The TOML file has the same three parts as the built-in seed:

    [[users]]
    username = "alice"
    password = "alice"          # default: the username
    first_name = "Alice"        # also last_name, email, id (digits)
    roles = ["user"]

    [[groups]]
    name = "staff"              # also description, id (digits)
    members = ["alice"]         # usernames
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

import msgspec

ORGANIZATION_ID = "100000000000000001"
FIRST_USER_ID = 200000000000000001
FIRST_GROUP_ID = 300000000000000001


class UserSeed(msgspec.Struct, forbid_unknown_fields=True):
    username: str
    password: str | None = None
    id: str | None = None
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    roles: list[str] = []


class GroupSeed(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    id: str | None = None
    description: str = ""
    members: list[str] = []


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    users: list[UserSeed]
    groups: list[GroupSeed] = []


BUILT_IN = Seed(
    [
        UserSeed("admin", first_name="Ada", last_name="Admin", roles=["admin"]),
        UserSeed("alice", first_name="Alice", last_name="Liddell", roles=["user"]),
        UserSeed("bob", first_name="Bob", last_name="Builder"),
    ],
    [GroupSeed("staff", description="People who work here", members=["alice"])],
)


@dataclass(slots=True, kw_only=True)
class User:
    id: str
    username: str
    password: str
    first_name: str
    last_name: str
    email: str
    created_at: datetime
    is_email_verified: bool = True
    is_active: bool = True
    roles: set[str] = field(default_factory=set)

    @property
    def display_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.username


@dataclass(slots=True, kw_only=True)
class Group:
    id: str
    name: str
    description: str
    created_at: datetime
    members: dict[str, datetime] = field(default_factory=dict)  # user id -> since when


class People:
    """Everyone the directory knows. What changes while it runs is lost with the process.

    Raises:
        ValueError: the seed contradicts itself; the message names the entry.
    """

    def __init__(self, seed: Seed, now: datetime) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        user_ids, self._group_ids = count(FIRST_USER_ID), count(FIRST_GROUP_ID)
        for user in seed.users:
            self._add_user(user, user.id or str(next(user_ids)), now)
        for group in seed.groups:
            made = self.add_group(group.name, group.description, now, id=group.id)
            for username in group.members:
                made.members[self.named(username).id] = now

    def named(self, username: str) -> User:
        """Raises:
        ValueError: there is no such user.
        """
        found = next((user for user in self.users.values() if user.username == username), None)
        if found is None:
            raise ValueError(f"there is no user {username!r}")
        return found

    def log_in(self, username: str, password: str) -> User | None:
        found = next((user for user in self.users.values() if user.username == username), None)
        return found if found and found.is_active and found.password == password else None

    def has_email(self, email: str, but: User) -> bool:
        return any(one.email.casefold() == email.casefold() for one in self.users.values() if one is not but)

    def has_group(self, name: str) -> bool:
        return any(group.name.casefold() == name.casefold() for group in self.groups.values())

    def add_group(self, name: str, description: str, now: datetime, *, id: str | None = None) -> Group:
        """Raises:
        ValueError: there is a group of this name.
        """
        if self.has_group(name):
            raise ValueError(f"there are two groups named {name!r}")
        group = Group(id=id or str(next(self._group_ids)), name=name, description=description, created_at=now)
        self.groups[group.id] = group
        return group

    def groups_seen_by(self, user: User) -> Iterable[Group]:
        """An admin sees all, everyone else his own."""
        return [one for one in self.groups.values() if "admin" in user.roles or user.id in one.members]

    def _add_user(self, seed: UserSeed, id: str, now: datetime) -> None:
        if not id.isdigit() or id in self.users or any(one.username == seed.username for one in self.users.values()):
            raise ValueError(f"user {seed.username!r}: the id must be digits, and id and username must be new")
        self.users[id] = User(
            id=id,
            username=seed.username,
            password=seed.password or seed.username,
            first_name=seed.first_name or seed.username.capitalize(),
            last_name=seed.last_name,
            email=seed.email or f"{seed.username}@generalbots.example",
            created_at=now,
            roles=set(seed.roles),
        )


def read_seed(path: Path) -> Seed:
    """Raises:
    ValueError: it cannot be read; the message names the file and the field.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Seed)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from None
