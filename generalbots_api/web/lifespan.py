"""Opens the backends when the first user comes and closes them when the last one goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from threading import get_ident

import anyio
from anyio.abc import TaskGroup

log = logging.getLogger("generalbots_api")

FORGOTTEN = (
    "generalbots_api was started by its first request, because nobody ran its lifespan. "
    "Use gb.install(app), pass lifespan=gb.lifespan to your app, or enter `async with gb.lifespan()`."
)
Job = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Run:
    """One opening of the backends, kept by a task of its own: what it enters, it also leaves."""

    loop: asyncio.AbstractEventLoop
    opened: anyio.Event
    closing: anyio.Event
    task: asyncio.Task[None] | None = None
    tasks: TaskGroup | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class Lifespan:
    """Counts who needs the backends. `open_all` enters them; background jobs run between.

    The keeper is a plain asyncio task, as nothing else may outlive the request
    that started it when the host runs no lifespan.
    """

    open_all: Callable[[], AbstractAsyncContextManager[None]]
    _users: int = 0
    _run: _Run | None = field(default=None)
    _is_told: bool = False
    _open_on: asyncio.AbstractEventLoop | None = None
    _open_in: int = 0  # the thread of that loop

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Keep the backends open. Reference-counted; raises what opening them raised."""
        self._users += 1
        try:
            await self._opened()
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                await self._close()

    def is_open(self) -> bool:
        """Whether the backends are open on the event loop that runs here.

        A thread runs one loop at a time. To ask for that loop takes twice as long: in Python 3.11
        `asyncio.get_running_loop` calls the system, for the id of the process.
        """
        return self._open_in == get_ident() and self._open_on is not None and self._open_on.is_running()

    async def ready(self) -> None:
        """Return when the backends are open; open them if nobody has, and say once what to do about it."""
        if self.is_open():
            return
        if self._users == 0 and self._run is None and not self._is_told:
            self._is_told = True
            log.warning(FORGOTTEN)
        await self._opened()

    def background(self, job: Job) -> None:
        """Run `job` beside the requests; it is cancelled when the backends close."""
        if self._run is None or self._run.tasks is None:
            raise RuntimeError("the lifespan is not running")
        self._run.tasks.start_soon(_guarded, job)

    async def _opened(self) -> None:
        run, loop = self._run, asyncio.get_running_loop()
        if run is not None and run.task is not None and run.loop is loop and run.closing.is_set():
            await asyncio.wait([run.task])  # its last user went; there is a new opening after it
            run = self._run
        if run is None or (run.loop is not loop and run.loop.is_closed()):
            run = self._run = _Run(loop, anyio.Event(), anyio.Event())
            run.task = asyncio.create_task(self._keep(run), name="generalbots_api lifespan")
        if run.loop is not loop:
            raise RuntimeError("one GeneralBots serves one event loop at a time")
        await run.opened.wait()
        if run.error is not None:
            raise run.error

    async def _keep(self, run: _Run) -> None:
        try:
            async with self.open_all(), anyio.create_task_group() as tasks:
                run.tasks = tasks
                self._open_on, self._open_in = run.loop, get_ident()
                run.opened.set()
                await run.closing.wait()
                run.tasks = None  # nothing is begun any more: a group that is empty takes what it does not wait for
                tasks.cancel_scope.cancel()
        except Exception as error:  # handed to whoever waits for the opening
            run.error = error
            if run.opened.is_set():
                log.exception("lifespan.failed")
        finally:
            run.tasks = None
            if self._run is run:
                self._run = self._open_on = None
            run.opened.set()

    async def _close(self) -> None:
        run = self._run
        if run is None or run.task is None:
            return
        run.closing.set()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([run.task])


async def _guarded(job: Job) -> None:
    """A job that fails is logged; it must not take the others with it."""
    try:
        await job()
    except Exception:
        log.exception("background.failed")
