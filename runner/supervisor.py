"""Keeps workers running over one listening socket: replaces what dies, and rolls when asked to."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from runner.children import Child, Nursery
from runner.notify import Notifier
from runner.signals import ENDING, has_terminal

log = logging.getLogger("runner")

STEADY = 10.0  # seconds after which a worker's death is no sign of a crash loop
TRIES = 5  # deaths in a row before that
BACK_OFF = (0.0, 0.1, 0.2, 0.4, 0.8)  # seconds before a worker is replaced, by deaths in a row before
SILENCE = 60.0  # seconds without a sign of life until a worker is killed
KILL_AFTER = 5.0  # seconds past the grace
CANNOT_RUN = 1
Watch = Callable[[Callable[[str], None]], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Supervisor:
    """The parent process. It serves nothing itself, and so has nothing to fail of."""

    nursery: Nursery
    count: int
    grace: float  # seconds
    notifier: Notifier
    watch: Watch | None = None  # calls what it is given when a file has changed
    silence: float = SILENCE
    has_terminal: bool = field(default_factory=has_terminal)
    _children: set[Child] = field(default_factory=set)
    _code: int | None = None  # set: it is stopping
    _tasks: TaskGroup | None = None
    _roll_wanted: anyio.Event = field(default_factory=anyio.Event)
    _reason: str = ""

    async def run(self) -> int:
        """The exit code, when all workers have ended."""
        with anyio.open_signal_receiver(*ENDING, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._obey, signals)
                first = await self._start(0, is_wanted=False, tells=True)
                if await first.is_ready():
                    first.is_wanted = True
                    await self._serve()
                else:
                    await self._fail(first)
        return self._code or 0

    async def _serve(self) -> None:
        tasks = self._group()
        others = [await self._start(0) for _ in range(self.count - 1)]
        for child in others:
            await child.is_ready()  # one that dies is replaced
        if self._code is None:
            self.notifier.ready()
            tasks.start_soon(self.notifier.keep_alive)
            tasks.start_soon(self._roll_when_asked)
            if self.watch is not None:
                tasks.start_soon(self.watch, self.ask_to_roll)

    def _group(self) -> TaskGroup:
        if self._tasks is None:
            raise RuntimeError("the supervisor is not running")
        return self._tasks

    # Signals

    async def _obey(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            if number == signal.SIGHUP and self.has_terminal == has_terminal():
                self.ask_to_roll("SIGHUP")
            elif self._code is None:
                self._end_at_once_next_time()
                log.info("stopping", extra={"signal": number.name})
                await self._stop(0)

    def ask_to_roll(self, reason: str) -> None:
        self._reason = reason
        self._roll_wanted.set()

    def _end_at_once_next_time(self) -> None:
        def end(number: int, frame: object) -> None:
            for child in self._children:
                child.signal(signal.SIGKILL)
            os._exit(128 + number)

        for number in ENDING:
            signal.signal(number, end)

    # Workers

    async def _start(self, tries: int, *, is_wanted: bool = True, tells: bool = False) -> Child:
        child = await self.nursery.born(tries, tells=tells)
        child.is_wanted = is_wanted
        self._children.add(child)
        if self._code is not None:  # which has come in between
            child.signal(signal.SIGTERM)
        self._group().start_soon(self._tend, child)
        return child

    async def _tend(self, child: Child) -> None:
        """Wait for the end of a worker, and see to it that there is another one."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, child)
            code = await child.process.wait()
            tasks.cancel_scope.cancel()
        os.close(child.beat)
        self._children.discard(child)
        child.ended.set()
        if child.is_wanted and self._code is None:
            log.error("worker.ended", extra={"pid": child.process.pid, "code": code})
            await self._replace(child, code)

    async def _listen(self, child: Child) -> None:
        if await child.is_silent(self.silence) and self._code is None:
            log.error("worker.silent", extra={"pid": child.process.pid, "seconds": self.silence})
            child.signal(signal.SIGKILL)

    async def _replace(self, child: Child, code: int) -> None:
        lived = anyio.current_time() - child.started_at
        tries = 0 if lived >= STEADY else child.tries + 1
        if tries >= TRIES:
            print(f"generalbots: workers keep ending, the last with code {code}. See the log.", file=sys.stderr)
            await self._stop(CANNOT_RUN)
            return
        await anyio.sleep(BACK_OFF[tries])
        if self._code is None:
            await self._start(tries)

    async def _fail(self, first: Child) -> None:
        """The first worker did not come up, and has said why; a signal may have come in between."""
        if self._code is None:
            code = first.process.returncode or 0
            if code not in (1, 2):
                print(f"generalbots: the first worker ended with code {code} before it was ready", file=sys.stderr)
            await self._stop(code if code > 0 else CANNOT_RUN)

    async def _stop(self, code: int) -> None:
        """End all workers at once, each with its grace, and then this."""
        self._code = code
        self.notifier.stopping()
        async with anyio.create_task_group() as tasks:
            for child in list(self._children):
                tasks.start_soon(child.stop, self.grace + KILL_AFTER)
        self._group().cancel_scope.cancel()

    # Rolling

    async def _roll_when_asked(self) -> None:
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted = anyio.Event()
            log.info("rolling", extra={"reason": self._reason})
            self.notifier.reloading()
            for child in [one for one in self._children if one.is_wanted]:
                if not await self._exchanged(child) and self._code is None:
                    log.error("roll.failed", extra={"reason": "the new worker did not start; the old ones serve on"})
                    break
            self.notifier.ready()

    async def _exchanged(self, old: Child) -> bool:
        """Whether a new worker has taken the place of `old`, which ends beside us."""
        if old.ended.is_set():
            return True  # and was replaced already
        new = await self._start(0, is_wanted=False)
        if not await new.is_ready():
            return False
        new.is_wanted, old.is_wanted = True, False
        self._group().start_soon(old.stop, self.grace + KILL_AFTER)
        return True
