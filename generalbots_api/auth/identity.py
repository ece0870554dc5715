"""Who a session token belongs to: a cache that is never more than a second behind the storage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.auth.standing import Standings
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock, at_unix
from generalbots_api.ids import LoginId, TokenHash

MAX_AGE_SECONDS = 1.0
TOUCH_SECONDS = 60.0
TOUCH_PART = 0.1
NOBODYS = 1_000  # tokens that are remembered as nobody's


class Seen(msgspec.Struct, gc=False):
    """What the storage said of a token; times in Unix seconds."""

    caller: Caller | None  # None: it is nobody's
    read_unix: float  # when the storage was asked
    quiet_until_unix: float  # nothing is to be read, asked or written before


class KnownLogin(Seen, gc=False, kw_only=True):
    """A login session in memory."""

    caller: Caller
    login_id: LoginId
    expires_unix: float
    last_seen_unix: float
    standing_unix: float  # when the Directory was asked for roles and groups


@dataclass(slots=True)
class LoginSessions:
    """Finds logins by token, keeps them in memory, and writes down when they were used."""

    logins: LoginStore
    standings: Standings
    clock: Clock
    idle_timeout: timedelta
    keep: int  # entries at most; the oldest goes
    _touch_after: float = field(init=False)  # seconds
    _known: dict[TokenHash, KnownLogin] = field(default_factory=dict)
    _by_id: dict[LoginId, TokenHash] = field(default_factory=dict)
    _nobodys: dict[TokenHash, Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._touch_after = min(TOUCH_SECONDS, self.idle_timeout.total_seconds() * TOUCH_PART)

    def seen(self, token_hash: TokenHash, now_unix: float) -> Seen | None:
        """Whose the token is, if nothing has to be read, asked or written for it: the common case. None: ask `find`.

        One that is nobody's is remembered for a second, too, as whoever sends it goes on: none is ever given out later.
        """
        seen = self._known.get(token_hash) or self._nobodys.get(token_hash)
        return seen if seen is not None and seen.read_unix <= now_unix < seen.quiet_until_unix else None

    async def find(
        self, token_hash: TokenHash, now_unix: float, *, is_use: bool = True, asks: bool = True
    ) -> Caller | None:
        """The caller of a live login, with roles as fresh as the settings ask while the Directory answers.

        `is_use` False does not prolong the session, `asks` False does not wait for the Directory.
        """
        known = self._known.get(token_hash)
        if known is not None and known.read_unix <= now_unix < known.quiet_until_unix:
            return known.caller
        if known is None or now_unix - known.read_unix >= MAX_AGE_SECONDS or now_unix < known.read_unix:
            known = await self._read(token_hash, now_unix)
        if known is None or now_unix >= known.expires_unix:
            return None
        if asks and self.standings.is_stale(known.standing_unix, now_unix):
            known = await self._with_new_standing(token_hash, known, now_unix)
        if known is not None and is_use and now_unix - known.last_seen_unix >= self._touch_after:
            known = await self._touch(token_hash, known, now_unix)
        return known.caller if known is not None else None

    def forget(self, login_id: LoginId) -> None:
        """Drop what is kept of a login: it ended or changed."""
        token_hash = self._by_id.pop(login_id, None)
        if token_hash is not None:
            self._known.pop(token_hash, None)

    def remember(self, login: Login, now_unix: float) -> KnownLogin:
        expires = login.expires_at(self.idle_timeout).timestamp()
        seen, asked = login.last_seen_at.timestamp(), login.standing_at.timestamp()
        known = KnownLogin(
            caller=caller_of(login, self.idle_timeout),
            login_id=login.id,
            expires_unix=expires,
            last_seen_unix=seen,
            standing_unix=asked,
            read_unix=now_unix,
            quiet_until_unix=min(
                expires,
                now_unix + MAX_AGE_SECONDS,
                asked + self.standings.max_age.total_seconds(),
                seen + self._touch_after,
            ),
        )
        if len(self._known) >= self.keep and login.token_hash not in self._known:
            self.forget(next(iter(self._known.values())).login_id)
        self._known[login.token_hash] = known
        self._by_id[login.id] = login.token_hash
        return known

    async def _read(self, token_hash: TokenHash, now_unix: float) -> KnownLogin | None:
        login = await self.logins.by_token(token_hash)
        if login is None:
            stale = self._known.get(token_hash)
            if stale is not None:
                self.forget(stale.login_id)
            if len(self._nobodys) >= NOBODYS:
                del self._nobodys[next(iter(self._nobodys))]
            self._nobodys[token_hash] = Seen(None, now_unix, now_unix + MAX_AGE_SECONDS)
            return None
        return self.remember(login, now_unix)

    async def _with_new_standing(self, token_hash: TokenHash, known: KnownLogin, now_unix: float) -> KnownLogin | None:
        """Roles as the Directory has them now; as they were while it is down."""
        login = await self.standings.renewed(known.login_id, at_unix(now_unix))
        if login is None:
            return await self._read(token_hash, now_unix)
        return self.remember(login, now_unix)

    async def _touch(self, token_hash: TokenHash, known: KnownLogin, now_unix: float) -> KnownLogin | None:
        known.last_seen_unix = now_unix  # first: racing requests need not all write
        await self.logins.touch(known.login_id, at_unix(now_unix))
        return await self._read(token_hash, now_unix)


def caller_of(login: Login, idle_timeout: timedelta) -> Caller:
    return Caller(
        user_id=login.user_id,
        roles=login.standing.roles,
        groups=login.standing.groups,
        login_id=login.id,
        created_at=login.created_at,
        expires_at=login.expires_at(idle_timeout),
        organization_id=login.organization_id,
    )
