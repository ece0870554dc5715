"""The session token, and how a new one comes in the place of one that has ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

LogIn = Callable[[], Awaitable[str]]
"""Gives a new session token; what it raises reaches everyone who waits for it."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")


class Tokens:
    """One token for all; when it is refused, one renewal for all who had it refused."""

    def __init__(self, token: str | None, log_in: LogIn | None) -> None:
        self._token = None if token is None else checked(token)
        self._log_in = log_in
        self._renewal: asyncio.Task[str] | None = None

    @property
    def renewable(self) -> bool:
        return self._log_in is not None

    async def current(self) -> str | None:
        """The token; without one, that of a login, if there is a hook for that."""
        if self._token is None and self.renewable:
            return await self.renewed(None)
        return self._token

    async def renewed(self, refused: str | None) -> str:
        """A token other than `refused`: of a login that another has asked for already, or of a new one.

        Only to be called when `renewable`.
        """
        if self._token is not None and self._token != refused:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._renewal_done)
        return await asyncio.shield(self._renewal)

    async def _renew(self) -> str:
        if self._log_in is None:
            raise ValueError("there is no hook for a new login")
        self._token = checked(await self._log_in())
        return self._token

    def _renewal_done(self, task: asyncio.Task[str]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # it has reached those who wait; when nobody waits any more, it is nobody's

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])


def checked(token: str) -> str:
    if not _SENDABLE.fullmatch(token):
        raise ValueError("a token is made of visible ASCII characters")
    return token
