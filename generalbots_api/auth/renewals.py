"""New tokens for old: one refresh at a time for each login, on one node or many."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import anyio

from generalbots_api.auth.model import Grant, Login
from generalbots_api.auth.ports import Grants, LoginStore, Vault
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, Unauthorized, Unavailable
from generalbots_api.ids import LoginId, new_id
from generalbots_api.leases import LeaseStore
from generalbots_api.through import carried_through

log = logging.getLogger("generalbots_api.auth")

LEASE = timedelta(seconds=30)  # longer than a refresh may take
WAITS = (0.05, 0.1, 0.2, 0.4, *[0.5] * 14)  # seconds between looks while another node refreshes: 7.75 in all


@dataclass(slots=True, eq=False)
class Flight:
    """A refresh under way in this process, and what came of it."""

    landed: anyio.Event = field(default_factory=anyio.Event)
    grant: Grant | None = None
    error: ApiError | None = None


@dataclass(slots=True)
class Renewals:
    """Refresh tokens work once, so two refreshes of one login must never run side by side.

    Within a process whoever comes meanwhile shares the outcome; between
    processes a lease decides, and who does not get it reads the storage until
    the other's tokens are there.
    """

    logins: LoginStore
    leases: LeaseStore
    provider: Grants | None
    vault: Vault | None
    clock: Clock
    on_over: Callable[[LoginId], Awaitable[None]]  # the Directory no longer honours this login
    on_late: Callable[[Login], Awaitable[None]]  # it ended here while its new tokens were on their way
    wait: Callable[[float], Awaitable[None]] = anyio.sleep
    _flights: dict[LoginId, Flight] = field(default_factory=dict)

    async def renewed(self, id: LoginId, refused: Grant) -> Grant:
        """A grant other than `refused`, stored before it is given.

        Raises:
            Unauthorized: the login is over.
            Unavailable, BadGateway: the Directory is down, or another node does not come to an end.
        """
        while (flight := self._flights.get(id)) is not None:
            await flight.landed.wait()
            grant = landed_with(flight)
            if grant != refused:
                return grant
        flight = self._flights[id] = Flight()
        await carried_through(self._fly(flight, id, refused))  # hanging up must not cost the new refresh token
        return landed_with(flight)

    async def _fly(self, flight: Flight, id: LoginId, refused: Grant) -> None:
        try:
            flight.grant = await self._in_turn(id, refused)
        except ApiError as error:
            flight.error = error
        finally:
            del self._flights[id]
            flight.landed.set()

    async def _in_turn(self, id: LoginId, refused: Grant) -> Grant:
        name, holder = f"refresh:{id}", new_id()
        for pause in (0.0, *WAITS):
            if pause:
                await self.wait(pause)
            grant = await self._stored(id)
            if grant != refused:
                return grant
            now = self.clock.now()
            if await self.leases.take(name, holder, now, now + LEASE):
                try:
                    return await self._alone(id, refused)
                finally:
                    await self._drop(name, holder)
        raise Unavailable("Another node is asking the Directory Service for this session")

    async def _alone(self, id: LoginId, refused: Grant) -> Grant:
        """Under the lease: look once more, as another may have been first, then refresh."""
        login = await self._login(id)
        grant = opened(self.vault, login)
        if grant != refused:
            return grant
        try:
            return await self._refresh(login, grant)
        except Unauthorized:
            stored = await self._stored(id)  # another node's, if the lease ran out under this one
            if stored != refused:
                return stored
            await self.on_over(id)
            raise

    async def _refresh(self, login: Login, grant: Grant) -> Grant:
        if grant.refresh_token is None or self.provider is None or self.vault is None:
            raise Unauthorized("The session has ended at the Directory Service", token_sent=True)
        now = self.clock.now()
        new = await self.provider.refresh(grant, now)
        kept = replace(
            new,
            refresh_token=new.refresh_token or grant.refresh_token,
            id_token=new.id_token or grant.id_token,
        ).to_renew(now)
        await self._store(login.id, self.vault.seal(kept, login.id))
        if await self.logins.get(login.id) is None:
            spare = LoginId(new_id())  # to be revoked besides the old ones, which go by the login's id
            await self.on_late(replace(login, id=spare, sealed_grant=self.vault.seal(kept, spare)))
            raise Unauthorized("The session has ended", token_sent=True)
        return kept

    async def _store(self, id: LoginId, sealed: bytes) -> None:
        """The old refresh token is worth nothing by now: a storage that fails for a moment must not cost the login."""
        for pause in WAITS[:10]:  # 3.75 s in all, within the lease
            try:
                return await self.logins.set_grant(id, sealed)
            except Unavailable as error:
                log.warning("auth.grant_unwritten", extra={"login_id": id, "reason": error.message})
            await self.wait(pause)
        return await self.logins.set_grant(id, sealed)

    async def _stored(self, id: LoginId) -> Grant:
        return opened(self.vault, await self._login(id))

    async def _login(self, id: LoginId) -> Login:
        login = await self.logins.get(id)
        if login is None:
            raise Unauthorized("The session has ended", token_sent=True)
        return login

    async def _drop(self, name: str, holder: str) -> None:
        try:
            await self.leases.drop(name, holder)
        except Unavailable as error:  # it runs out by itself
            log.warning("auth.lease_kept", extra={"reason": error.message})


def landed_with(flight: Flight) -> Grant:
    if flight.grant is None:
        error = flight.error or Unavailable("The session could not be renewed")
        raise error.with_traceback(None)  # one error for many tasks
    return flight.grant


def opened(vault: Vault | None, login: Login) -> Grant:
    """The tokens of a login, decrypted."""
    if vault is None:
        raise Unavailable("There is no Directory Service")
    return vault.open(login.sealed_grant, login.id)
