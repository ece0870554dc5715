"""How many calls may be under way at once: a Directory that hangs must not take everyone's time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from generalbots_api.backends.oidc.breaker import NotSent

CALLS = 50  # under way at once
WAITING = 150  # calls that may wait for their turn
WAIT_TIMEOUT = 2.0  # seconds that they wait at most
RETRY_AFTER = 2  # seconds


class Busy(NotSent):
    """There are too many calls already."""

    def __init__(self) -> None:
        super().__init__("The Directory Service is too slow at the moment", retry_after=RETRY_AFTER)


@dataclass(slots=True)
class Slots:
    calls: int = CALLS
    waiting: int = WAITING
    wait_timeout: float = WAIT_TIMEOUT
    _free: anyio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = anyio.Semaphore(self.calls, max_value=self.calls, fast_acquire=True)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """One of the slots, first come first served.

        Raises:
            Busy: at once if too many wait already, else when the wait was too long.
        """
        if self._free.value == 0 and self._free.statistics().tasks_waiting >= self.waiting:
            raise Busy
        try:
            with anyio.fail_after(self.wait_timeout):
                await self._free.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self._free.release()
