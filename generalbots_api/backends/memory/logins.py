"""Login sessions in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.memory.guards import check_new, check_room, check_text
from generalbots_api.ids import LoginId, TokenHash, UserId

K = TypeVar("K")


class MemoryLoginStore:
    """No locks: no method awaits between reading and writing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._logins: dict[LoginId, Login] = {}  # in the order of their opening
        self._by_token: dict[TokenHash, LoginId] = {}
        self._by_user: dict[UserId, dict[LoginId, None]] = {}
        self._by_sid: dict[str, dict[LoginId, None]] = {}

    async def open(self, login: Login, keep: int, /) -> list[Login]:
        check_text(login)
        check_new(login.id in self._logins or login.token_hash in self._by_token)
        others = self._sorted(self._by_user.get(login.user_id, {}))
        surplus = others[: max(0, len(others) + 1 - max(1, keep))]
        check_room(len(self._logins) - len(surplus), self._most)
        removed = [self._remove(one.id) for one in surplus]
        self._add(login)
        return removed

    async def by_token(self, token_hash: TokenHash, /) -> Login | None:
        id = self._by_token.get(token_hash)
        return self._logins[id] if id is not None else None

    async def get(self, id: LoginId, /) -> Login | None:
        return self._logins.get(id)

    async def of_user(self, user_id: UserId, /) -> list[Login]:
        return self._sorted(self._by_user.get(user_id, {}))

    async def of_directory_session(self, sid: str, /) -> list[Login]:
        return self._sorted(self._by_sid.get(sid, {}))

    async def touch(self, id: LoginId, at: datetime, /) -> None:
        check_text(id)
        login = self._logins.get(id)
        if login is not None and at > login.last_seen_at:
            self._logins[id] = login.seen(at)

    async def set_standing(
        self, id: LoginId, standing: Standing, at: datetime, /, before: Standing | None = None
    ) -> bool:
        check_text((id, standing))
        login = self._logins.get(id)
        if login is None or before not in (None, login.standing):
            return False
        self._logins[id] = login.standing_as(standing, at)
        return True

    async def set_grant(self, id: LoginId, sealed_grant: bytes, /) -> None:
        check_text(id)
        if id in self._logins:
            self._logins[id] = replace(self._logins[id], sealed_grant=sealed_grant)

    async def end(self, id: LoginId, /) -> Login | None:
        check_text(id)
        return self._remove(id) if id in self._logins else None

    async def prune(self, now: datetime, idle_timeout: timedelta, /) -> list[Login]:
        expired = [one.id for one in self._logins.values() if one.expires_at(idle_timeout) <= now]
        return [self._remove(id) for id in expired]

    async def count(self, now: datetime, idle_timeout: timedelta, /) -> int:
        return sum(login.expires_at(idle_timeout) > now for login in self._logins.values())

    def _sorted(self, ids: dict[LoginId, None]) -> list[Login]:
        """Oldest first; of two made at one instant the earlier call first."""
        return sorted((self._logins[id] for id in ids), key=lambda login: login.created_at)

    def _add(self, login: Login) -> None:
        self._logins[login.id] = login
        self._by_token[login.token_hash] = login.id
        self._by_user.setdefault(login.user_id, {})[login.id] = None
        if login.directory_session is not None:
            self._by_sid.setdefault(login.directory_session, {})[login.id] = None

    def _remove(self, id: LoginId) -> Login:
        login = self._logins.pop(id)
        del self._by_token[login.token_hash]
        _discard(self._by_user, login.user_id, id)
        if login.directory_session is not None:
            _discard(self._by_sid, login.directory_session, id)
        return login


def _discard(index: dict[K, dict[LoginId, None]], key: K, id: LoginId) -> None:
    del index[key][id]
    if not index[key]:
        del index[key]
