"""Logging out: here first and always, then at the Directory."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from generalbots_api.auth.endings import Endings
from generalbots_api.auth.model import Login, LogoutNotice
from generalbots_api.auth.ports import Grants, IdentityProvider, LoginStore, SeenTokenStore, Vault
from generalbots_api.auth.revocations import AT_ONCE_TIMEOUT, Revocations
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, Forbidden, InvalidRequest, NotFound, Unavailable
from generalbots_api.ids import LoginId, hash_token
from generalbots_api.through import carried_through

log = logging.getLogger("generalbots_api.auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    directory_revoked: bool
    logout_url: str | None  # where the browser may end its session at the Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOutEverywhere:
    ended: int  # login sessions that were live
    directory_revoked: bool  # of all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Logouts:
    """Ends login sessions."""

    logins: LoginStore
    seen_tokens: SeenTokenStore
    provider: IdentityProvider
    grants: Grants
    vault: Vault
    revocations: Revocations
    endings: Endings
    clock: Clock
    idle_timeout: timedelta
    _unfinished: set[str] = field(default_factory=set)  # logout tokens whose sessions could not all be ended

    async def end(self, caller: Caller, id: LoginId, return_to: str | None) -> LoggedOut:
        """End a login session of the caller's own.

        Raises:
            NotFound: there is none, or it has ended already.
            Forbidden: it is somebody else's.
        """
        login = await self.logins.get(id)
        if login is not None and login.user_id != caller.user_id:
            raise Forbidden("This session is not yours")
        ended = await carried_through(self._end(login)) if login is not None else None
        if ended is None:
            raise NotFound("There is no such session")
        revoked, url = await self._at_directory(ended, return_to)
        return LoggedOut(directory_revoked=revoked, logout_url=url)

    async def own(self, caller: Caller) -> list[Login]:
        """The caller's live login sessions, newest first; none where the host brings its own login."""
        mine = await self.logins.of_user(caller.user_id) if caller.login_id is not None else []
        now = self.clock.now()
        return [one for one in reversed(mine) if one.expires_at(self.idle_timeout) > now]

    async def end_everywhere(self, caller: Caller, *, keep_current: bool) -> LoggedOutEverywhere:
        """End every login session of the caller, or every one but this.

        Raises:
            InvalidRequest: the host brings its own login.
        """
        if caller.login_id is None:
            raise InvalidRequest("These sessions are not ours to end")
        mine = [one for one in await self.own(caller) if not (keep_current and one.id == caller.login_id)]
        ended = await carried_through(self._end_all(mine))
        return LoggedOutEverywhere(ended=len(ended), directory_revoked=await self.revocations.all_at_once(ended))

    async def end_replaced(self, token: bytes, new: Login) -> None:
        """End the session that a browser had before `new`; the Directory's tokens go behind the scenes."""
        old = await self.logins.by_token(hash_token(token))
        if old is not None and old.id != new.id:
            await self.revocations.later(old)  # before the end, so that a crash does not lose it
            await self.endings.end(old.id)

    async def end_by_directory(self, logout_token: str) -> int:
        """Back-channel logout: end what the token names, and say how many.

        Raises:
            InvalidRequest: the token fails a check, or was used before.

        Source: OpenID Connect Back-Channel Logout 1.0, sections 2.6 and 2.7.
        """
        notice = await self.provider.logout_notice(logout_token, self.clock.now())
        return await carried_through(self._heeded(notice))  # once it is spent its sessions end, whoever hangs up

    async def _heeded(self, notice: LogoutNotice) -> int:
        if not await self.seen_tokens.add(notice.token_id, notice.expires_at):
            if notice.token_id not in self._unfinished:
                raise InvalidRequest("This logout token was used before")
            self._unfinished.discard(notice.token_id)
        try:
            return await self._end_named(notice)
        except Unavailable:
            self._unfinished.add(notice.token_id)
            raise

    async def _end_named(self, notice: LogoutNotice) -> int:
        if notice.directory_session is not None:
            named = await self.logins.of_directory_session(notice.directory_session)
            named = [one for one in named if notice.user_id in (None, one.user_id)]
        else:
            named = await self.logins.of_user(notice.user_id) if notice.user_id else []
        for login in named:
            await self.endings.end(login.id)
        return len(named)

    async def _end_all(self, logins: list[Login]) -> list[Login]:
        return [one for one in [await self._end(login) for login in logins] if one is not None]

    async def _end(self, login: Login) -> Login | None:
        """Written down as to be revoked first: whoever asked for the end gets it, also after a crash."""
        await self.revocations.note(login)
        return await self.endings.end(login.id)

    async def _at_directory(self, login: Login, return_to: str | None) -> tuple[bool, str | None]:
        """Both at the same time, so that the whole answer comes within 5 s."""
        url: str | None = None

        async def find_url() -> None:
            nonlocal url
            url = await self._logout_url(login, return_to)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(find_url)
            revoked = await self.revocations.at_once(login)
        return revoked, url

    async def _logout_url(self, login: Login, return_to: str | None) -> str | None:
        try:
            with anyio.move_on_after(AT_ONCE_TIMEOUT):
                return await self.grants.logout_url(self.vault.open(login.sealed_grant, login.id), return_to)
        except ApiError as error:  # the Directory is down: there is no place to send the browser to
            log.info("auth.no_logout_url", extra={"reason": error.message})
        return None
