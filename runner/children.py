"""Worker processes as their parent sees them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import Process

from runner.notify import OURS
from runner.worker import VARIABLE, Place

START_TIMEOUT = 60.0  # seconds until a worker must be ready


@dataclass(slots=True, eq=False)
class Child:
    """One worker process."""

    process: Process
    beat: int  # the end of its pipe that is read
    tries: int  # deaths in a row of those before it, soon after their start
    started_at: float  # of the event loop's clock
    ready: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    is_wanted: bool = False  # to be replaced if it dies

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended, and will be noticed
            self.process.send_signal(number)

    async def is_ready(self) -> bool:
        """Return when it is; False: it has ended before."""
        async with anyio.create_task_group() as tasks:

            async def either(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(either, self.ready)
            tasks.start_soon(either, self.ended)
        return self.ready.is_set() and not self.ended.is_set()

    async def is_silent(self, patience: float) -> bool:
        """Note that it is ready, and return when it has been silent for `patience` seconds; False: it is gone."""
        while True:
            with anyio.move_on_after(patience if self.ready.is_set() else START_TIMEOUT) as waiting:
                await anyio.wait_readable(self.beat)
                if not os.read(self.beat, 1_024):
                    return False
                self.ready.set()
            if waiting.cancelled_caught:
                return True

    async def stop(self, patience: float) -> None:
        """Let it end; after `patience` seconds it is killed."""
        self.is_wanted = False
        self.signal(signal.SIGTERM)
        with anyio.move_on_after(patience):
            await self.ended.wait()
        if not self.ended.is_set():
            self.signal(signal.SIGKILL)
            await self.ended.wait()


@dataclass(frozen=True, slots=True)
class Nursery:
    """How a worker is started: the same command as this process, with a place of its own."""

    command: Sequence[str]
    environment: dict[str, str]
    place: Place  # what differs between workers is put in

    async def born(self, tries: int, *, tells: bool) -> Child:
        read, write = os.pipe()
        os.set_blocking(read, False)
        place = replace(self.place, beat=write, tells=tells)
        inherited = {name: value for name, value in self.environment.items() if name not in OURS}
        try:
            process = await anyio.open_process(
                self.command,
                stdin=None,
                stdout=None,
                stderr=None,
                env={**inherited, VARIABLE: place.as_variable()},
                pass_fds=(place.descriptor, place.parent, write),
                start_new_session=True,  # Ctrl-C is for the parent, which tells the workers
            )
        finally:
            os.close(write)
        return Child(process, read, tries, anyio.current_time())
