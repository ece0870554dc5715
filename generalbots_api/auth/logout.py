"""Logging out: here first and always, then at the Directory."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from generalbots_api.auth.grants import GrantKeeper
from generalbots_api.auth.model import Grant, Login
from generalbots_api.auth.ports import Grants, IdentityProvider, LoginStore, SeenTokenStore
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, Forbidden, InvalidRequest, NotFound
from generalbots_api.ids import LoginId, hash_token

log = logging.getLogger("generalbots_api.auth")

REVOKE_TIMEOUT = 4.0  # seconds; the whole answer is to come within 5
RETRY_DELAYS = (1, 5, 30, 120, 600)  # seconds

Background = Callable[[Callable[[], Awaitable[None]]], None]
"""Runs a job after the request, until it ends or the service stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    directory_revoked: bool
    logout_url: str | None  # where the browser may end its session at the Directory


@dataclass(frozen=True, slots=True)
class Logouts:
    """Ends login sessions. Every way tells `on_end`, which closes what is open in their name."""

    logins: LoginStore
    seen_tokens: SeenTokenStore
    provider: IdentityProvider
    revocations: Grants
    grants: GrantKeeper
    clock: Clock
    background: Background
    on_end: Callable[[Login], Awaitable[None]]

    async def end(self, caller: Caller, id: LoginId, return_to: str | None) -> LoggedOut:
        """End a login session of the caller's own.

        Raises:
            NotFound: there is none, or it has ended already.
            Forbidden: it is somebody else's.
        """
        login = await self.logins.get(id)
        if login is not None and login.user_id != caller.user_id:
            raise Forbidden("This session is not yours")
        ended = await self._end(id)
        if ended is None:
            raise NotFound("There is no such session")
        return await self._at_directory(ended, return_to)

    async def end_replaced(self, token: bytes, new: Login) -> None:
        """End the session that a browser had before `new`; the Directory's tokens go behind the scenes."""
        old = await self.logins.by_token(hash_token(token))
        if old is not None and old.id != new.id and await self._end(old.id) is not None:
            self._revoke_later(self.grants.open(old))

    async def end_by_directory(self, logout_token: str) -> int:
        """Back-channel logout: end what the token names, and say how many.

        Raises:
            InvalidRequest: the token fails a check, or was used before.

        Source: OpenID Connect Back-Channel Logout 1.0, section 2.6.
        """
        notice = await self.provider.logout_notice(logout_token, self.clock.now())
        if not await self.seen_tokens.add(notice.token_id, notice.expires_at):
            raise InvalidRequest("This logout token was used before")
        if notice.directory_session is not None:
            named = await self.logins.of_directory_session(notice.directory_session)
            named = [one for one in named if notice.user_id in (None, one.user_id)]
        else:
            named = await self.logins.of_user(notice.user_id) if notice.user_id else []
        for login in named:
            await self._end(login.id)
        return len(named)

    async def _end(self, id: LoginId) -> Login | None:
        ended = await self.logins.end(id)
        if ended is not None:
            await self.on_end(ended)
        return ended

    async def _at_directory(self, login: Login, return_to: str | None) -> LoggedOut:
        grant = self.grants.open(login)
        revoked, url = False, None
        with anyio.move_on_after(REVOKE_TIMEOUT):
            revoked = await self._revoke(grant)
            url = await self._logout_url(grant, return_to)
        if not revoked:
            self._revoke_later(grant)
        return LoggedOut(directory_revoked=revoked, logout_url=url)

    async def _logout_url(self, grant: Grant, return_to: str | None) -> str | None:
        try:
            return await self.revocations.logout_url(grant, return_to)
        except ApiError:  # the Directory is down: there is no place to send the browser to
            return None

    async def _revoke(self, grant: Grant) -> bool:
        try:
            await self.revocations.revoke(grant)
        except ApiError as error:
            log.warning("auth.revoke_failed", extra={"reason": error.message})
            return False
        return True

    def _revoke_later(self, grant: Grant) -> None:
        async def retry() -> None:
            for delay in RETRY_DELAYS:
                if await self._revoke(grant):
                    return
                await anyio.sleep(delay)

        self.background(retry)
