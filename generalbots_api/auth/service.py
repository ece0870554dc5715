"""Logging in: the order of the steps from the first redirect to the new session."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from generalbots_api.auth.model import (
    AuthorizationAnswer,
    Grant,
    Identity,
    Login,
    PendingLogin,
    Secret,
    Standing,
)
from generalbots_api.auth.ports import (
    IdentityProvider,
    LoginStore,
    PendingLoginStore,
    Standings,
    Vault,
)
from generalbots_api.clock import Clock
from generalbots_api.errors import InvalidRequest, Unauthorized
from generalbots_api.ids import LoginId, SessionToken, hash_token, new_id, new_session_token

LOGINS_PER_BROWSER = 5
MAX_USER_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds and lifetimes of logins."""

    pending_timeout: timedelta
    pending_keep: int
    lifetime: timedelta
    per_user: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A login on its way: where to send the browser, and what its cookie must carry."""

    url: str
    state: str
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where a login came from, for the list of one's sessions."""

    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Logins:
    """Begins and finishes logins."""

    provider: IdentityProvider
    standings: Standings
    pending: PendingLoginStore
    logins: LoginStore
    vault: Vault
    clock: Clock
    limits: Limits
    on_surplus: Callable[[Login], Awaitable[None]]  # ended, as the user has too many
    on_open: Callable[[Login], Awaitable[None]]  # stored, and not yet given to the browser

    async def begin(self, browser: str | None, redirect_uri: str, target: str) -> Begun:
        """Start a login. `browser` is the id that this browser's login cookies carry, if any.

        Raises:
            Unavailable: the Directory is down or not to be trusted; nothing is kept then.
        """
        now = self.clock.now()
        state, browser = secrets.token_urlsafe(32), browser or new_id()
        pending = PendingLogin(
            state_hash=hash_state(state),
            browser=browser,
            nonce=secrets.token_urlsafe(32),
            verifier=Secret(secrets.token_urlsafe(32)),
            redirect_uri=redirect_uri,
            target=target,
            created_at=now,
            expires_at=now + self.limits.pending_timeout,
        )
        url = await self.provider.authorization_url(pending, state)
        await self.pending.put(self._sealed(pending), self.limits.pending_keep, LOGINS_PER_BROWSER)
        return Begun(url=url, state=state, browser=browser)

    async def finish(
        self, answer: AuthorizationAnswer, browser: str | None, device: Device
    ) -> tuple[SessionToken, Login, str]:
        """Turn the Directory's answer into a session: its token, the session, and the target.

        Raises:
            InvalidRequest: the state is unknown, used, expired or another
                browser's: the Directory is not asked then.
            Unauthorized: the Directory refused, or what it said failed a check.
            BadGateway, Unavailable.
        """
        now = self.clock.now()
        pending = await self._spend(answer.state, browser, now)
        grant, identity = await self.provider.finish(answer, pending, now)
        standing = await self.standings.standing(grant.access_token, identity.user_id)
        if not standing.active:
            raise Unauthorized("The account is not active")
        token = new_session_token()
        login = self._new_login(token, grant, identity, device, standing)
        for oldest in await self.logins.open(login, self.limits.per_user):
            await self.on_surplus(oldest)
        await self.on_open(login)
        return token, login, pending.target

    async def _spend(self, state: str, browser: str | None, now: datetime) -> PendingLogin:
        state_hash = hash_state(state)
        seen = await self.pending.get(state_hash)
        if seen is None or browser is None or not secrets.compare_digest(seen.browser, browser):
            raise InvalidRequest(
                "This login is not known here: begin again at /auth/login", fields={"state": "unknown"}
            )
        pending = await self.pending.pop(state_hash)
        if pending is None or now >= pending.expires_at:
            raise InvalidRequest("This login took too long: begin again at /auth/login", fields={"state": "expired"})
        return self._opened(pending)

    def _sealed(self, pending: PendingLogin) -> PendingLogin:
        """As it is stored: whoever reads the storage cannot finish somebody's login."""
        about = pending.state_hash.hex()
        return replace(
            pending,
            nonce=self.vault.seal_text(pending.nonce, f"nonce {about}"),
            verifier=Secret(self.vault.seal_text(pending.verifier.reveal(), f"verifier {about}")),
        )

    def _opened(self, pending: PendingLogin) -> PendingLogin:
        about = pending.state_hash.hex()
        try:
            return replace(
                pending,
                nonce=self.vault.open_text(pending.nonce, f"nonce {about}"),
                verifier=Secret(self.vault.open_text(pending.verifier.reveal(), f"verifier {about}")),
            )
        except Unauthorized:
            raise InvalidRequest(
                "This login is not known here: begin again at /auth/login", fields={"state": "unknown"}
            ) from None

    def _new_login(
        self, token: SessionToken, grant: Grant, identity: Identity, device: Device, standing: Standing
    ) -> Login:
        now, id = self.clock.now(), LoginId(new_id())
        return Login(
            id=id,
            token_hash=hash_token(token),
            user_id=identity.user_id,
            created_at=now,
            last_seen_at=now,
            ends_at=now + self.limits.lifetime,
            sealed_grant=self.vault.seal(grant.to_renew(now), id),
            standing=standing,
            standing_at=now,
            directory_session=identity.directory_session,
            organization_id=identity.organization_id,
            user_agent=device.user_agent[:MAX_USER_AGENT],
            address=device.address,
        )


def hash_state(state: str) -> bytes:
    """What a login under way is kept by, so that a look into the storage does not finish it."""
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()
