"""Jobs beside the requests, which end with the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("generalbots_api")

Job = Callable[[], Awaitable[None]]
PATIENCE = 5.0  # seconds for a cancelled job to end, longer than any that has last words; then it is cancelled again


class Jobs:
    """Each in a plain task of its own: a turn of chat is one, and a task group makes it three times as dear."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def start(self, job: Job) -> None:
        """Raises:
        RuntimeError: the service is stopping.
        """
        if self._is_ending:
            raise RuntimeError("the service is stopping")
        task = self._loop.create_task(_guarded(job), name="generalbots_api job")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Cancel every job, and return when all have ended."""
        self._is_ending = True
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=PATIENCE)


async def _guarded(job: Job) -> None:
    """A job that fails is logged; it must not take the others with it."""
    try:
        await job()
    except Exception:
        log.exception("background.failed")
