"""Login sessions, logins under way and used logout tokens, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from generalbots_api.auth.model import Login, PendingLogin, Standing
from generalbots_api.ids import LoginId, TokenHash, UserId


class MemoryLoginStore:
    """No locks: no method awaits between reading and writing."""

    def __init__(self) -> None:
        self._logins: dict[LoginId, Login] = {}  # in the order of their opening
        self._by_token: dict[TokenHash, LoginId] = {}
        self._by_user: dict[UserId, dict[LoginId, None]] = {}

    async def open(self, login: Login, keep: int, /) -> list[Login]:
        mine = self._by_user.setdefault(login.user_id, {})
        oldest = list(mine)[: max(0, len(mine) + 1 - keep)]
        ended = [self._remove(id) for id in oldest]
        self._logins[login.id] = login
        self._by_token[login.token_hash] = login.id
        self._by_user.setdefault(login.user_id, {})[login.id] = None
        return ended

    async def by_token(self, token_hash: TokenHash, /) -> Login | None:
        id = self._by_token.get(token_hash)
        return self._logins[id] if id is not None else None

    async def get(self, id: LoginId, /) -> Login | None:
        return self._logins.get(id)

    async def of_user(self, user_id: UserId, /) -> list[Login]:
        return [self._logins[id] for id in self._by_user.get(user_id, ())]

    async def of_directory_session(self, sid: str, /) -> list[Login]:
        return [login for login in self._logins.values() if login.directory_session == sid]

    async def touch(self, id: LoginId, at: datetime, /) -> None:
        login = self._logins.get(id)
        if login is not None and at > login.last_seen_at:
            self._logins[id] = login.seen(at)

    async def set_standing(self, id: LoginId, standing: Standing, at: datetime, /) -> None:
        if id in self._logins:
            self._logins[id] = self._logins[id].standing_as(standing, at)

    async def set_grant(self, id: LoginId, sealed_grant: bytes, /) -> None:
        if id in self._logins:
            self._logins[id] = replace(self._logins[id], sealed_grant=sealed_grant)

    async def end(self, id: LoginId, /) -> Login | None:
        return self._remove(id) if id in self._logins else None

    async def prune(self, now: datetime, idle_timeout: timedelta, /) -> list[Login]:
        expired = [one.id for one in self._logins.values() if one.expires_at(idle_timeout) <= now]
        return [self._remove(id) for id in expired]

    async def count(self, now: datetime, idle_timeout: timedelta, /) -> int:
        return sum(login.expires_at(idle_timeout) > now for login in self._logins.values())

    def _remove(self, id: LoginId) -> Login:
        login = self._logins.pop(id)
        del self._by_token[login.token_hash]
        mine = self._by_user[login.user_id]
        del mine[id]
        if not mine:
            del self._by_user[login.user_id]
        return login


class MemoryPendingLoginStore:
    """In the order of their beginning."""

    def __init__(self) -> None:
        self._pending: dict[bytes, PendingLogin] = {}

    async def put(self, pending: PendingLogin, keep: int, per_browser: int, /) -> None:
        self._pending[pending.state_hash] = pending
        mine = [key for key, one in self._pending.items() if one.browser == pending.browser]
        surplus = max(0, len(self._pending) - keep)
        for key in [*mine[: max(0, len(mine) - per_browser)], *list(self._pending)[:surplus]]:
            self._pending.pop(key, None)

    async def pop(self, state_hash: bytes, /) -> PendingLogin | None:
        return self._pending.pop(state_hash, None)

    async def get(self, state_hash: bytes, /) -> PendingLogin | None:
        return self._pending.get(state_hash)

    async def prune(self, now: datetime, /) -> int:
        expired = [key for key, one in self._pending.items() if one.expires_at <= now]
        for key in expired:
            del self._pending[key]
        return len(expired)


class MemorySeenTokenStore:
    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}

    async def add(self, token_id: str, expires_at: datetime, /) -> bool:
        if token_id in self._seen:
            return False
        self._seen[token_id] = expires_at
        return True

    async def prune(self, now: datetime, /) -> int:
        expired = [id for id, at in self._seen.items() if at <= now]
        for id in expired:
            del self._seen[id]
        return len(expired)
