"""What no longer counts although its signature is right: tokens revoked, sessions ended, users shut out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TypeVar

MAX_REMEMBERED = 10_000
V = TypeVar("V")


@dataclass(slots=True)
class Lapses:
    """Kept in memory and lost with it: a restart makes good again what has not expired.

    Token ids, families and sessions are random names, so one list holds them
    all; beyond 10,000 the oldest are forgotten. A user, or everyone, is shut out
    by a new generation: what carries another one is over, also when it was made
    at the same instant.
    """

    _ended: dict[str, None] = field(default_factory=dict)
    _generation: str = field(default_factory=lambda: secrets.token_hex(8))
    _is_demanded: bool = False  # not before `end_everything`: an earlier process had another generation
    _of_users: dict[str, str] = field(default_factory=dict)

    def end(self, name: str) -> None:
        remember(self._ended, name, None)

    def end_user(self, user_id: str) -> None:
        self._of_users[user_id] = secrets.token_hex(8)

    def end_everything(self) -> None:
        self._generation, self._is_demanded = secrets.token_hex(8), True
        self._of_users.clear()

    def generation_of(self, user_id: str) -> str:
        """What a thing made now must carry."""
        return self._of_users.get(user_id, self._generation)

    def is_over(self, user_id: str, generation: str, *names: str) -> bool:
        is_demanded = self._is_demanded or user_id in self._of_users
        if is_demanded and generation != self.generation_of(user_id):
            return True
        return any(name in self._ended for name in names)


def remember(kept: dict[str, V], key: str, value: V) -> None:
    """Put it last, and forget the first beyond the bound."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MAX_REMEMBERED:
        del kept[next(iter(kept))]
