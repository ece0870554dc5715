"""What a bot tells of itself, who may use it, and what it sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from generalbots_api.caller import Caller
from generalbots_api.ids import BotId


class BotStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotAccess:
    """Who may use a bot: whoever has any of these. All empty: everyone signed in."""

    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()  # ids or names
    users: frozenset[str] = frozenset()

    def allows(self, caller: Caller) -> bool:
        if not (self.roles or self.groups or self.users):
            return True
        return bool(self.roles & caller.roles or self.groups & caller.groups or caller.user_id in self.users)


@dataclass(frozen=True, slots=True)
class BotInfo:
    id: BotId | str
    name: str
    description: str = ""
    access: BotAccess = field(default_factory=BotAccess)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRecord:
    """A bot as a storage keeps it: what it is called, who may use it, and what to make it of."""

    id: BotId
    name: str
    kind: str  # names the maker
    options: dict[str, Any] = field(default_factory=dict)  # JSON values, for the maker
    description: str = ""
    access: BotAccess = field(default_factory=BotAccess)
    status: BotStatus = BotStatus.ONLINE  # what an operator has set
    updated_at: datetime

    @property
    def info(self) -> BotInfo:
        return BotInfo(self.id, self.name, self.description, self.access)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Short texts that the client may offer as the next message."""

    texts: tuple[str, ...]


Piece = str | Suggestions
"""What a bot yields: a piece of the answer's text, or suggestions, which replace earlier ones."""
