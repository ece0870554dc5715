"""Login sessions, logins under way, and what the Directory says of a user, as values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from generalbots_api.ids import LoginId, TokenHash, UserId

RENEW_AHEAD = timedelta(seconds=60)
MAX_CHANGES = 50  # of a user's groups that are remembered


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that must not be logged: `repr` and `str` hide it, `reveal()` gives it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The Directory's tokens for one login."""

    access_token: Secret
    refresh_token: Secret | None = None
    id_token: Secret | None = None  # kept as the hint of RP-initiated logout
    expires_at: datetime | None = None  # of the access token; aware, UTC; None: not told
    renew_at: datetime | None = None  # a while before it; set when it is stored

    def to_renew(self, now: datetime) -> Grant:
        """Due a minute before it expires, or at nine tenths of a short life: some providers give a minute in all."""
        if self.expires_at is None:
            return self
        return replace(self, renew_at=self.expires_at - min(RENEW_AHEAD, (self.expires_at - now) / 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """A change made through this API: the Directory's own lists may not show it before `settled_at`."""

    names: frozenset[str]  # id and name of the group
    is_member: bool
    settled_at: datetime

    def applied(self, groups: frozenset[str]) -> frozenset[str]:
        return groups | self.names if self.is_member else groups - self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a user may do, by the Directory, at the time of asking."""

    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()  # ids and names
    active: bool = True
    changes: tuple[GroupChange, ...] = ()  # that may not have settled; oldest first

    def changed(self, change: GroupChange) -> Standing:
        """After a change of the user's groups; it stands in place of an earlier one of the same group."""
        others = [one for one in self.changes if one.names.isdisjoint(change.names)]
        kept = (*others[1 - MAX_CHANGES :], change)
        return replace(self, groups=change.applied(self.groups), changes=kept)

    def with_changes_of(self, before: Standing, now: datetime) -> Standing:
        """As just read from the Directory, with what it may not show yet."""
        kept = tuple(one for one in before.changes if now < one.settled_at)
        groups = self.groups
        for change in kept:
            groups = change.applied(groups)
        return replace(self, groups=groups, changes=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who has logged in, by a validated id token and the userinfo."""

    user_id: UserId
    directory_session: str | None = None  # `sid` of the id token
    organization_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLogin:
    """A login between the redirect to the Directory and the callback; good for one use."""

    state_hash: bytes  # SHA-256 of `state`: the key
    browser: str  # id that the login cookie of this browser carries
    nonce: str
    verifier: Secret  # PKCE
    redirect_uri: str
    target: str  # where the browser goes afterwards
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswer:
    """The query of `/auth/callback`, taken apart."""

    code: str | None
    state: str
    issuer: str | None = None  # `iss`, RFC 9207
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutNotice:
    """A validated logout token of OIDC Back-Channel Logout 1.0; one of the two is set."""

    token_id: str  # `jti`
    user_id: UserId | None
    directory_session: str | None  # `sid`
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The tokens of a login that has ended here, which the Directory has not been told of yet."""

    id: LoginId
    sealed_grant: bytes  # encrypted `Grant`
    tries: int  # so far
    ended_at: datetime
    gives_up_at: datetime  # the tokens are of no use any more by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login session. Ended ones are not kept."""

    id: LoginId
    token_hash: TokenHash
    user_id: UserId
    created_at: datetime
    last_seen_at: datetime  # written at most once a minute
    ends_at: datetime  # absolute limit
    sealed_grant: bytes  # encrypted `Grant`
    standing: Standing
    standing_at: datetime  # when the Directory was asked for `standing`
    directory_session: str | None = None
    organization_id: str | None = None
    user_agent: str = ""
    address: str = ""

    def expires_at(self, idle_timeout: timedelta) -> datetime:
        """When it ends if nobody uses it: the earlier of the idle and the absolute limit."""
        return min(self.ends_at, self.last_seen_at + idle_timeout)

    def seen(self, at: datetime) -> Login:
        return replace(self, last_seen_at=at)

    def standing_as(self, standing: Standing, at: datetime) -> Login:
        return replace(self, standing=standing, standing_at=at)
