"""The end of a login session, however it comes: removed, then told, so that what is open in its name closes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.ids import LoginId, UserId
from generalbots_api.through import carried_through


@dataclass(frozen=True, slots=True)
class Endings:
    """Every way out comes through here."""

    logins: LoginStore
    on_end: Callable[[Login], Awaitable[None]]

    async def end(self, id: LoginId) -> Login | None:
        """End it and say what it was; None: it was over. Whoever hangs up meanwhile does not leave its sockets open."""
        return await carried_through(self._end(id))

    async def _end(self, id: LoginId) -> Login | None:
        ended = await self.logins.end(id)
        if ended is not None:
            await self.on_end(ended)
        return ended

    async def over(self, id: LoginId) -> None:
        """End a login that the Directory no longer honours."""
        await self.end(id)

    async def end_user(self, user_id: UserId) -> None:
        """End every login of a user who may no longer be here."""
        for login in await self.logins.of_user(user_id):
            await self.end(login.id)
