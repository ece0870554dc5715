"""Bots that block or compute: each turn in a thread of its own, so many at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field

import anyio

from generalbots_api.bots.handover import Handover
from generalbots_api.bots.model import Piece
from generalbots_api.bots.ports import About, Ask, Bot

MAX_THREADS = 32
WAIT = 10.0  # seconds


class NoThread(RuntimeError):
    """Every thread for bots is taken, as their bots do not come back."""


@dataclass(slots=True)
class BotThreads:
    """At most `most` threads; a turn that finds none free waits for `wait` seconds.

    A thread cannot be stopped from outside. One whose turn is cancelled ends at
    its bot's next piece; until then it holds its place, though nobody waits
    for it: the turn ends at once, and the process does not wait for it either.
    """

    most: int = MAX_THREADS
    wait: float = WAIT
    _taken: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def pieces(self, bot: Bot, ask: Ask[About], about: About) -> AsyncIterator[Piece]:
        """What the bot yields, in order, at most 16 pieces ahead of the reader.

        Raises:
            NoThread: none came free in time.
        """
        await self._take_place()
        handover = Handover(ask, about, self._free_place)
        try:
            thread = threading.Thread(target=copy_context().run, args=(handover.work,), name=f"bot {bot.info.id}")
            thread.daemon = True  # one that never comes back must not hold the process
            thread.start()
        except BaseException:  # as when the system has no more of them
            self._free_place(asyncio.get_running_loop())
            raise
        try:
            while (piece := await handover.next()) is not None:
                yield piece
        finally:
            handover.stop()

    async def _take_place(self) -> None:
        try:
            with anyio.fail_after(self.wait):
                while not self._take_if_free():
                    await self._one_free()
        except TimeoutError:
            raise NoThread(f"all {self.most} threads for bots are taken") from None

    def _take_if_free(self) -> bool:
        with self._lock:
            if self._taken >= self.most:
                return False
            self._taken += 1
            return True

    async def _one_free(self) -> None:
        free = asyncio.get_running_loop().create_future()
        self._waiting.append(free)
        try:
            await free
        finally:
            if free in self._waiting:
                self._waiting.remove(free)

    def _free_place(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called in the thread, at its end."""
        with self._lock:
            self._taken -= 1
        with suppress(RuntimeError):  # the loop has been closed: nobody waits on it
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        while self._waiting:
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
                return
