"""Who is there at the start: the built-in seed, or a TOML file.

The file has users, each with roles, and groups:

    [[users]]
    username = "alice"
    password = "wonderland"            # default: the username
    id = "2870"                        # digits; default: from the username, so that it stays
    first_name = "Alice"               # default: the username with a capital
    last_name = "Liddell"
    display_name = "Alice L."          # default: first and last name
    email = "alice@wonder.example"     # default: username@generalbots.example
    email_verified = false             # default: true
    active = false                     # default: true
    roles = ["user"]                   # `admin` may also write groups

    [[groups]]
    name = "staff"                     # unique, whatever the case
    id = "3001"                        # digits; default: from the name
    description = "People who work here"
    members = ["alice"]                # usernames

Passwords are in it as they are: it is for development, on one's own machine.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

_AT = re.compile(r"^(?P<problem>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)


class UserSeed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    username: str
    password: str | None = None
    id: str | None = None
    first_name: str | None = None
    last_name: str = ""
    display_name: str | None = None
    email: str | None = None
    email_verified: bool = True
    active: bool = True
    roles: list[str] = []


class GroupSeed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    id: str | None = None
    description: str = ""
    members: list[str] = []


class Seed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    users: list[UserSeed]
    groups: list[GroupSeed] = []


def built_in() -> Seed:
    ada, alice, bob = (f"20000000000000000{number}" for number in (1, 2, 3))
    return Seed(
        users=[
            UserSeed(username="admin", id=ada, first_name="Ada", last_name="Admin", roles=["admin"]),
            UserSeed(username="alice", id=alice, first_name="Alice", last_name="Liddell", roles=["user"]),
            UserSeed(username="bob", id=bob, first_name="Bob", last_name="Builder"),
        ],
        groups=[
            GroupSeed(name="staff", id="300000000000000001", description="People who work here", members=["alice"])
        ],
    )


def read_seed(path: Path) -> Seed:
    """Raises:
    ValueError: it cannot be read, or says what it may not; the message names the field.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8-sig")), Seed)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"not TOML in UTF-8: {error}") from None
    except msgspec.ValidationError as error:
        raise ValueError(_with_field_first(str(error))) from None


def _with_field_first(message: str) -> str:
    found = _AT.match(message)
    return f"{found['field']}: {found['problem']}" if found and found["field"] else message
