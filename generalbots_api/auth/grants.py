"""The Directory's tokens of each login: opened, refreshed, kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import anyio

from generalbots_api.auth.model import Grant, Login, Secret
from generalbots_api.auth.ports import Grants, LoginStore, Vault
from generalbots_api.clock import Clock
from generalbots_api.errors import Unauthorized, Unavailable
from generalbots_api.ids import LoginId
from generalbots_api.locks import KeyedLocks

REFRESH_AHEAD = timedelta(seconds=60)
T = TypeVar("T")


@dataclass(slots=True)
class GrantKeeper:
    """Gives a login's access token to calls, and gets a new one when it is time."""

    logins: LoginStore
    provider: Grants | None
    vault: Vault | None
    clock: Clock
    on_end: Callable[[Login], Awaitable[None]]
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    async def call(self, id: LoginId, ask: Callable[[Secret], Awaitable[T]]) -> T:
        """Call `ask` with the access token; once more with a new one if the first is refused.

        Raises:
            Unauthorized: no such login, or the Directory has ended it: then it ends here too.
            Unavailable: the Directory is down.
        """
        login, grant = await self._current(id)
        try:
            return await ask(grant.access_token)
        except Unauthorized:
            grant = await self._refreshed(id, refused=grant)
        try:
            return await ask(grant.access_token)
        except Unauthorized:
            await self.end(login.id)
            raise

    async def end(self, id: LoginId) -> None:
        """End a login that the Directory no longer honours."""
        ended = await self.logins.end(id)
        if ended is not None:
            await self.on_end(ended)

    def open(self, login: Login) -> Grant:
        """The tokens of a login, decrypted."""
        if self.vault is None:
            raise Unavailable("There is no Directory Service")
        return self.vault.open(login.sealed_grant, login.id)

    async def _current(self, id: LoginId) -> tuple[Login, Grant]:
        login = await self._login(id)
        grant = self.open(login)
        if grant.expires_at is not None and self.clock.now() >= grant.expires_at - REFRESH_AHEAD:
            grant = await self._refreshed(id, refused=grant)
        return login, grant

    async def _login(self, id: LoginId) -> Login:
        login = await self.logins.get(id)
        if login is None:
            raise Unauthorized("The session has ended", token_sent=True)
        return login

    async def _refreshed(self, id: LoginId, *, refused: Grant) -> Grant:
        """A grant other than `refused`: one refresh at a time for each login; who waited takes its result."""
        async with self._locks.hold(id):
            grant = self.open(await self._login(id))
            if grant.access_token == refused.access_token:
                with anyio.CancelScope(shield=True):  # a client that hangs up must not cost the new refresh token
                    grant = await self._refresh(id, grant)
            return grant

    async def _refresh(self, id: LoginId, grant: Grant) -> Grant:
        if grant.refresh_token is None or self.provider is None or self.vault is None:
            await self.end(id)
            raise Unauthorized("The session has ended at the Directory Service", token_sent=True)
        try:
            new = await self.provider.refresh(grant, self.clock.now())
        except Unauthorized:
            await self.end(id)
            raise
        kept = replace(
            new,
            refresh_token=new.refresh_token or grant.refresh_token,
            id_token=new.id_token or grant.id_token,
        )
        await self.logins.set_grant(id, self.vault.seal(kept, id))
        return kept
