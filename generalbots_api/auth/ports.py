"""What logging in needs from outside: three stores, a Directory, a vault."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from generalbots_api.auth.model import (
    AuthorizationAnswer,
    Grant,
    Identity,
    Login,
    LogoutNotice,
    PendingLogin,
    Revocation,
    Secret,
    Standing,
)
from generalbots_api.ids import LoginId, TokenHash, UserId


class LoginStore(Protocol):
    """Keeps login sessions. Each method is atomic; none looks at the clock.

    A missing session is None. A backend that cannot be reached raises
    `Unavailable`.
    """

    async def open(self, login: Login, keep: int, /) -> list[Login]:
        """Add `login`; remove and return the user's oldest beyond `keep`, the new one not among them."""

    async def by_token(self, token_hash: TokenHash, /) -> Login | None: ...

    async def get(self, id: LoginId, /) -> Login | None: ...

    async def of_user(self, user_id: UserId, /) -> list[Login]:
        """Every login of the user, oldest first, expired ones that are not pruned yet included."""

    async def of_directory_session(self, sid: str, /) -> list[Login]:
        """Every login that began in this session of the Directory (`sid`), oldest first."""

    async def touch(self, id: LoginId, at: datetime, /) -> None:
        """Set `last_seen_at`, never backwards. Unknown ids are ignored."""

    async def set_standing(
        self, id: LoginId, standing: Standing, at: datetime, /, before: Standing | None = None
    ) -> bool:
        """Set `standing` and `standing_at`; with `before` only while the standing is equal to it.

        False: it is another, or there is no such login.
        """

    async def set_grant(self, id: LoginId, sealed_grant: bytes, /) -> None:
        """Replace the sealed grant. Unknown ids are ignored."""

    async def end(self, id: LoginId, /) -> Login | None:
        """Remove it and return what it was; of racing calls exactly one gets it."""

    async def prune(self, now: datetime, idle_timeout: timedelta, /) -> list[Login]:
        """Remove and return those that have expired."""

    async def count(self, now: datetime, idle_timeout: timedelta, /) -> int:
        """How many have not expired."""


class PendingLoginStore(Protocol):
    """Keeps logins under way, by the hash of their state."""

    async def put(self, pending: PendingLogin, keep: int, per_browser: int, /) -> None:
        """Add one; drop the oldest of the same browser beyond `per_browser`, and of all beyond `keep`."""

    async def pop(self, state_hash: bytes, /) -> PendingLogin | None:
        """Remove and return it; of racing calls exactly one gets it. Expired ones are returned too."""

    async def get(self, state_hash: bytes, /) -> PendingLogin | None: ...

    async def prune(self, now: datetime, /) -> int: ...


class SeenTokenStore(Protocol):
    """Remembers the ids of logout tokens until they expire, so that none works twice."""

    async def add(self, token_id: str, expires_at: datetime, /) -> bool:
        """True if it was not there; of racing calls exactly one gets True."""

    async def prune(self, now: datetime, /) -> int: ...


class RevocationStore(Protocol):
    """A queue of revocations that the Directory still has to hear of. Each method is atomic."""

    async def put(self, revocation: Revocation, due_at: datetime, /) -> None:
        """Add one, to be taken from `due_at` on; one with its id is replaced."""

    async def take(self, now: datetime, due_again_at: datetime, /) -> Revocation | None:
        """The one that has been due longest, due again at `due_again_at`; its `tries` counts this one.

        None is due: None. Of racing calls each gets another one.
        """

    async def drop(self, id: LoginId, /) -> None:
        """Remove it: done, or given up. Unknown ids are ignored."""


class IdentityProvider(Protocol):
    """Logs people in: the code flow of OIDC Core 3.1, with PKCE."""

    async def authorization_url(self, pending: PendingLogin, state: str, /) -> str:
        """Where to send the browser.

        Raises:
            Unavailable: the Directory is down, or its metadata is not to be trusted.
        """

    async def finish(
        self, answer: AuthorizationAnswer, pending: PendingLogin, now: datetime, /
    ) -> tuple[Grant, Identity]:
        """Exchange the code and check everything that came back.

        Raises:
            Unauthorized: the Directory refused, or its answer failed a check.
            BadGateway: the answer makes no sense.
            Unavailable: the Directory is down.
        """

    async def logout_notice(self, logout_token: str, now: datetime, /) -> LogoutNotice:
        """Validate a logout token.

        Raises:
            InvalidRequest: it fails a check.
        """


class Grants(Protocol):
    """Looks after the tokens of a login."""

    async def refresh(self, grant: Grant, now: datetime, /) -> Grant:
        """New tokens for old; what the answer leaves out is kept.

        Raises:
            Unauthorized: `invalid_grant`: the login is over.
            Unavailable: the Directory is down.
        """

    async def revoke(self, grant: Grant, /) -> None:
        """Revoke the refresh and the access token (RFC 7009).

        Raises:
            Unavailable, BadGateway: it could not be confirmed.
        """

    async def logout_url(self, grant: Grant, return_to: str | None, /) -> str | None:
        """Where a browser ends its session at the Directory, if there is such a place."""


class Standings(Protocol):
    """Knows roles, groups and whether a user is active."""

    async def standing(self, access_token: Secret, user_id: UserId, /) -> Standing:
        """Ask the Directory now.

        Raises:
            Unauthorized: the access token is no longer accepted.
            Unavailable, BadGateway: no answer.
        """


class Vault(Protocol):
    """Encrypts at rest: the Directory's tokens, and the secrets of logins under way."""

    def seal(self, grant: Grant, login_id: LoginId, /) -> bytes:
        """Encrypt; `login_id` is bound to it as associated data."""

    def open(self, sealed: bytes, login_id: LoginId, /) -> Grant:
        """Decrypt with any of the known keys.

        Raises:
            Unauthorized: no key fits, or it was sealed for another login.
        """

    def seal_text(self, text: str, about: str, /) -> str:
        """Encrypt a short secret; `about`, what it belongs to, is bound to it as associated data."""

    def open_text(self, sealed: str, about: str, /) -> str:
        """Decrypt with any of the known keys.

        Raises:
            Unauthorized: no key fits, or it belongs to something else.
        """
