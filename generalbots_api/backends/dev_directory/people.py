"""Users, roles and groups, in memory: what changes while the directory runs is lost with the process."""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from generalbots_api.backends.dev_directory.seed import GroupSeed, Seed, UserSeed

ORGANIZATION_ID = "100000000000000001"
ORGANIZATION_NAME = "General Bots"
DOMAIN = "generalbots.example"
ADMIN_ROLE = "admin"  # of the project; it may write groups and see everyone
MAX_GROUPS = 10_000


@dataclass(slots=True, kw_only=True)
class User:
    id: str  # digits
    username: str
    password: str
    first_name: str
    last_name: str
    display_name: str
    email: str
    created_at: datetime
    changed_at: datetime
    is_email_verified: bool
    is_active: bool
    roles: set[str]
    inactive_roles: set[str] = field(default_factory=set)  # of an authorization that was deactivated
    email_code: str | None = None  # sent to a new address, which nobody has confirmed yet

    @property
    def is_admin(self) -> bool:
        return ADMIN_ROLE in self.roles


@dataclass(slots=True, kw_only=True)
class Group:
    id: str  # digits
    name: str
    description: str
    created_at: datetime
    changed_at: datetime
    members: dict[str, datetime] = field(default_factory=dict)  # user id -> since when


def sees(user: User, group: Group) -> bool:
    """An admin sees all, everyone else those that he is a member of."""
    return user.is_admin or user.id in group.members


def by_name(group: Group) -> tuple[str, str]:
    return group.name.casefold(), group.id


class People:
    """Everyone the directory knows.

    Raises:
        ValueError: the seed contradicts itself; the message names the field.
    """

    def __init__(self, seed: Seed, now: datetime) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.groups_by_name: list[Group] = []  # the order that is asked for, kept, as there may be many
        for number, user in enumerate(seed.users):
            _in_field(f"users[{number}]", self._user_problem(user))
            self._add_user(user, now)
        for number, group in enumerate(seed.groups):
            _in_field(f"groups[{number}]", self._group_problem(group))
            made = self.add_group(group.name, group.description, now, id=group.id)
            made.members = {self.named(username).id: now for username in group.members}

    def named(self, username: str) -> User:
        """Raises:
        ValueError: there is no such user.
        """
        found = self.find(username)
        if found is None:
            raise ValueError(f"there is no user {username!r}")
        return found

    def find(self, username: str) -> User | None:
        wanted = username.strip().casefold()
        return next((user for user in self.users.values() if user.username.casefold() == wanted), None)

    def active(self, user_id: str) -> User | None:
        user = self.users.get(user_id)
        return user if user is not None and user.is_active else None

    def log_in(self, username: str, password: str) -> User | None:
        """The active user whose password it is."""
        user = self.find(username)
        is_right = secrets.compare_digest((user.password if user else "").encode(), password.encode())
        return user if user is not None and is_right and user.is_active else None

    def has_email(self, email: str, *, but: User | None = None) -> bool:
        return any(one.email.casefold() == email.casefold() for one in self.users.values() if one is not but)

    def has_group(self, name: str) -> bool:
        wanted = name.casefold()
        place = bisect_left(self.groups_by_name, (wanted, ""), key=by_name)
        return place < len(self.groups_by_name) and by_name(self.groups_by_name[place])[0] == wanted

    def add_group(self, name: str, description: str, now: datetime, *, id: str | None = None) -> Group:
        """The name must be new: ask `has_group` before."""
        id = id or self._new_id("group", name)
        group = self.groups[id] = Group(id=id, name=name, description=description, created_at=now, changed_at=now)
        insort(self.groups_by_name, group, key=by_name)
        return group

    def groups_seen_by(self, user: User) -> list[Group]:
        """By name, which never changes."""
        return list(self.groups_by_name) if user.is_admin else [one for one in self.groups_by_name if sees(user, one)]

    def groups_of_ids(self, user: User, ids: Iterable[str]) -> list[Group]:
        """Those of these that the user sees, each once."""
        found = [self.groups[id] for id in dict.fromkeys(ids) if id in self.groups]
        return [one for one in found if sees(user, one)]

    def _add_user(self, seed: UserSeed, now: datetime) -> None:
        id = seed.id or self._new_id("user", seed.username)
        first_name = seed.first_name or seed.username.capitalize()
        self.users[id] = User(
            id=id,
            username=seed.username,
            password=seed.password or seed.username,
            first_name=first_name,
            last_name=seed.last_name,
            display_name=seed.display_name or f"{first_name} {seed.last_name}".strip(),
            email=seed.email or default_email(seed.username),
            created_at=now,
            changed_at=now,
            is_email_verified=seed.email_verified,
            is_active=seed.active,
            roles=set(seed.roles),
        )

    def _new_id(self, kind: str, name: str) -> str:
        """Like Zitadel's, and the same after a restart, wherever in the file the name stands."""
        number = int.from_bytes(hashlib.sha256(f"{kind} {name.casefold()}".encode()).digest()[:8], "big")
        id = 100_000_000_000_000_000 + number % 900_000_000_000_000_000
        while str(id) in self.users or str(id) in self.groups:
            id += 1
        return str(id)

    def _user_problem(self, seed: UserSeed) -> tuple[str, str] | None:
        if not seed.username.strip() or seed.username != seed.username.strip():
            return "username", "must not be empty, nor begin or end with a space"
        if self.find(seed.username) is not None:
            return "username", f"{seed.username!r} is there twice"
        if not all(seed.roles):
            return "roles", "must not be empty texts"
        email = seed.email or default_email(seed.username)
        if "@" not in email or self.has_email(email):
            return "email", f"{email!r} is no address, or is there twice"
        return self._id_problem(seed.id)

    def _group_problem(self, seed: GroupSeed) -> tuple[str, str] | None:
        if not 1 <= len(seed.name.strip()) <= 200:
            return "name", "must have 1 to 200 characters"
        if self.has_group(seed.name):
            return "name", f"{seed.name!r} is there twice"
        unknown = [username for username in seed.members if self.find(username) is None]
        if unknown:
            return "members", f"there is no user {unknown[0]!r}"
        return self._id_problem(seed.id)

    def _id_problem(self, id: str | None) -> tuple[str, str] | None:
        if id is None:
            return None
        is_new = id not in self.users and id not in self.groups
        is_good = id.isascii() and id.isdigit() and len(id) <= 20 and is_new
        return None if is_good else ("id", f"{id!r} is not up to 20 digits, or is there twice")


def default_email(username: str) -> str:
    return username if "@" in username else f"{username}@{DOMAIN}"


def _in_field(entry: str, problem: tuple[str, str] | None) -> None:
    if problem is not None:
        raise ValueError(f"{entry}.{problem[0]}: {problem[1]}")
