"""Tokens of logins that have ended here: taken back at the Directory, at once or when it answers again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import anyio

from generalbots_api.auth.model import Login, Revocation
from generalbots_api.auth.ports import Grants, RevocationStore, Vault
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, NotSupported, Unauthorized, Unavailable

log = logging.getLogger("generalbots_api.auth")

AT_ONCE_TIMEOUT = 4.0  # seconds; the whole answer to a logout is to come within 5
LEASE = timedelta(seconds=30)  # longer than a call of the Directory may take
FIRST_DELAY = timedelta(seconds=5)  # doubled with each try
LONGEST_DELAY = timedelta(minutes=15)
LIFETIME = timedelta(days=1)
LOOK_SECONDS = 5.0

Outcome = Literal["done", "failed", "impossible"]


@dataclass(frozen=True, slots=True)
class Revocations:
    """Each is written down before its login ends: neither a crash nor a Directory that is down loses it."""

    store: RevocationStore
    provider: Grants
    vault: Vault
    clock: Clock

    async def note(self, login: Login) -> None:
        """Write it down; the worker leaves it alone for as long as `at_once` may take."""
        await self._put(login, self.clock.now() + LEASE)

    async def later(self, login: Login) -> None:
        """Leave it to the worker."""
        await self._put(login, self.clock.now())

    async def _put(self, login: Login, due_at: datetime) -> None:
        """A queue that is full, or cannot be had, keeps no session alive."""
        try:
            await self.store.put(self._revocation(login), due_at)
        except Unavailable as error:
            log.error("auth.revocation_unwritten", extra={"login_id": login.id, "reason": error.message})

    async def at_once(self, login: Login) -> bool:
        """Take the tokens back now, within 4 s; False: the worker goes on trying where that makes sense."""
        outcome: Outcome = "failed"
        try:
            with anyio.move_on_after(AT_ONCE_TIMEOUT):
                outcome = await self._try(replace(self._revocation(login), tries=1))
        except Unavailable as error:  # the storage: what `note` wrote is still there
            log.warning("auth.revocation_unwritten", extra={"login_id": login.id, "reason": error.message})
        return outcome == "done"

    async def all_at_once(self, logins: list[Login]) -> bool:
        """The same for several, at the same time; True: all of them are done."""
        outcomes: list[bool] = []

        async def one(login: Login) -> None:
            outcomes.append(await self.at_once(login))

        async with anyio.create_task_group() as tasks:
            for login in logins:
                tasks.start_soon(one, login)
        return all(outcomes)

    async def work(self) -> None:
        """Try what is due, for as long as the service runs."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            try:
                while await self.try_next():
                    pass
            except Unavailable as error:  # the storage: it is asked again
                log.warning("auth.revocations_unread", extra={"reason": error.message})

    async def try_next(self) -> bool:
        """Try the one that has been due longest; False: none is due, or the Directory does not answer."""
        now = self.clock.now()
        due = await self.store.take(now, now + LEASE)
        return due is not None and await self._try(due) != "failed"

    async def _try(self, one: Revocation) -> Outcome:
        try:
            await self.provider.revoke(self.vault.open(one.sealed_grant, one.id))
        except (NotSupported, Unauthorized) as error:  # another try would end the same way
            log.warning("auth.revoke_impossible", extra={"login_id": one.id, "reason": error.message})
            await self.store.drop(one.id)
            return "impossible"
        except ApiError as error:
            await self._put_off(one, error.message)
            return "failed"
        except Exception:  # a Directory may be foreign code: a bug in it must not end the service
            log.exception("auth.revoke_bug", extra={"login_id": one.id})
            await self._put_off(one, "a bug in the Directory's client")
            return "failed"
        await self.store.drop(one.id)
        return "done"

    async def _put_off(self, one: Revocation, reason: str) -> None:
        due_at = self.clock.now() + min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(one.tries - 1, 16))
        fields = {"login_id": one.id, "tries": one.tries, "reason": reason}
        if due_at >= one.gives_up_at:
            log.error("auth.revoke_given_up", extra=fields)
            await self.store.drop(one.id)
        else:
            log.warning("auth.revoke_failed", extra=fields)
            await self.store.put(one, due_at)

    def _revocation(self, login: Login) -> Revocation:
        now = self.clock.now()
        gives_up_at = now + LIFETIME
        try:
            grant = self.vault.open(login.sealed_grant, login.id)
        except Unauthorized:  # its key is gone, and with it the tokens
            gives_up_at = now
        else:
            if grant.refresh_token is None and grant.expires_at is not None:
                gives_up_at = min(gives_up_at, grant.expires_at)
        return Revocation(id=login.id, sealed_grant=login.sealed_grant, tries=0, ended_at=now, gives_up_at=gives_up_at)
