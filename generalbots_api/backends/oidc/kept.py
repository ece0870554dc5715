"""A value from far away that is kept: renewed by one caller for all, the last good one held on to."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from generalbots_api.backends.oidc.breaker import NotSent
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError

log = logging.getLogger("generalbots_api.directory")

T = TypeVar("T")
PAUSE = timedelta(seconds=10)  # between two tries while the old value still serves


class Behind:
    """Runs jobs behind the scenes while it is open; closing it ends them."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)

    def start(self, job: Callable[[], Awaitable[None]]) -> bool:
        """False if it is not open: then the caller does the job itself."""
        if self._tasks is None:
            return False
        self._tasks.start_soon(self._run, job)
        return True

    async def _run(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except Exception:  # the door of this task: a bug in a job must not take the service down
            log.exception("directory.job_failed")


@dataclass(slots=True)
class Kept(Generic[T]):
    """What `fetch` gave, until it is `max_age` old.

    While it cannot be renewed the last good value serves, for `last_good_age`
    (None: for ever). With `behind` an old value serves while it is renewed;
    without, callers wait for the new one. Ages go by the clock that is never
    set back: a wrong time of day must not keep an old value alive.
    """

    fetch: Callable[[], Awaitable[T]]
    clock: Clock
    max_age: timedelta
    last_good_age: timedelta | None = None
    behind: Behind | None = None
    error: ApiError | None = None  # of the last try; None: it went well
    _value: T | None = None
    _good_at: float | None = None
    _tried_at: float | None = None
    _tries: int = 0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def get(self) -> T:
        """Raises what `fetch` raises, if no value serves."""
        if self._value is not None:
            is_fresh = _since(self._good_at, self.clock) < self.max_age
            if is_fresh or not self._is_due() or self._is_renewed_behind():
                return self._best()
        return await self.again()

    async def again(self, *, is_doubtful: bool = False) -> T:
        """A new one now, unless there was a try in the last ten seconds that left one that serves.

        `is_doubtful`: the far end may have failed since a try that went well.
        Whoever comes while one is fetched waits for it, and shares what comes of it.
        """
        tries = self._tries
        async with self._lock:
            if tries == self._tries and (self._is_due() or (is_doubtful and self.error is None)):
                await self._renew()
            return self._best()

    def _is_due(self) -> bool:
        return self._value is None or _since(self._tried_at, self.clock) >= PAUSE

    def _is_renewed_behind(self) -> bool:
        if self.behind is None:
            return False
        return self._lock.locked() or self.behind.start(self._renew_behind)

    async def _renew_behind(self) -> None:
        async with self._lock:
            if self._is_due():
                await self._renew()

    async def _renew(self) -> None:
        """One try. A cancelled one leaves everything as it was, for the next caller to do.

        One that was not sent is none: the next caller need not wait for the pause to be over.
        """
        try:
            value = await self.fetch()
        except NotSent as error:
            self.error, self._tries = error, self._tries + 1
            return
        except ApiError as error:
            self.error = error
            log.warning("directory.not_renewed", extra={"reason": error.message})
        else:
            self._value, self.error = value, None
            self._good_at = self.clock.monotonic()
        self._tries += 1
        self._tried_at = self.clock.monotonic()

    def _best(self) -> T:
        serves = self.last_good_age is None or _since(self._good_at, self.clock) < self.last_good_age
        if self._value is not None and (self.error is None or serves):
            return self._value
        raise (self.error or ApiError("Nothing was fetched")).with_traceback(None)


def _since(at: float | None, clock: Clock) -> timedelta:
    return timedelta(seconds=clock.monotonic() - at) if at is not None else timedelta.max
