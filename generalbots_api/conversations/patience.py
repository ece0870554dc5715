"""How long a bot is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TYPING_SECONDS = 2.0


class Patience:
    """Calls `hint` if it takes a while, and `give_up` after `timeout` seconds. One timer, made anew once.

    What it calls is kept by the timer only, which lets go of it when it is cancelled.
    """

    __slots__ = ("_loop", "_timeout", "_timer", "_until")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, hint: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + self._timeout
        self._timer = self._loop.call_later(min(TYPING_SECONDS, self._timeout), self._look, hint, give_up)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, hint: Callable[[], None], give_up: Callable[[], None]) -> None:
        left = self._until - self._loop.time()
        if left <= 0:
            give_up()
        else:
            hint()
            self._timer = self._loop.call_later(left, give_up)
