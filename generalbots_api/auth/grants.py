"""The Directory's tokens of each login: opened, refreshed when it is time, given to calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from generalbots_api.auth.model import Grant, Secret
from generalbots_api.auth.ports import LoginStore, Vault
from generalbots_api.auth.renewals import Renewals, opened
from generalbots_api.clock import Clock
from generalbots_api.errors import Unauthorized
from generalbots_api.ids import LoginId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GrantKeeper:
    """Gives a login's access token to calls, and gets a new one when it is time."""

    logins: LoginStore
    renewals: Renewals
    vault: Vault | None
    clock: Clock
    on_over: Callable[[LoginId], Awaitable[None]]  # the Directory no longer honours this login

    async def call(self, id: LoginId, ask: Callable[[Secret], Awaitable[T]]) -> T:
        """Call `ask` with the access token; once more with a new one if the first is refused.

        Raises:
            Unauthorized: no such login, or the Directory has ended it: then it ends here too.
            Unavailable: the Directory is down.
        """
        grant = await self._current(id)
        try:
            return await ask(grant.access_token)
        except Unauthorized:
            grant = await self.renewals.renewed(id, grant)
        try:
            return await ask(grant.access_token)
        except Unauthorized:
            await self.on_over(id)
            raise

    async def _current(self, id: LoginId) -> Grant:
        login = await self.logins.get(id)
        if login is None:
            raise Unauthorized("The session has ended", token_sent=True)
        try:
            grant = opened(self.vault, login)
        except Unauthorized:  # its key is gone: nothing can be asked for it any more
            await self.on_over(id)
            raise
        if grant.renew_at is not None and self.clock.now() >= grant.renew_at:
            return await self.renewals.renewed(id, grant)
        return grant
