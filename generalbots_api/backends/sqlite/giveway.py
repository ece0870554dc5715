"""The GIL for other threads, while the event loop's own thread is busy and waits for one of them."""

from __future__ import annotations

import asyncio
import time

EVERY_SECONDS = 0.0005
FOR_SECONDS = 0.00005


class GiveWay:
    """`with give_way:` around the wait for a thread.

    A busy event loop gives up the GIL for a microsecond at each look for
    events. Another thread needs some 50 to wake, comes too late, and begins to
    wait anew: the 5 ms after which CPython would force the change never pass,
    and a thread was seen to wait a whole second at each of its steps. So the
    loop really sleeps now and then, as long as somebody waits for a thread.

    uvloop counts in whole milliseconds, takes half of one for none, and sleeps
    in each of its turns. 1 ms was tried: it spares a lone write 15 % of the
    processor, with 200 sockets 1 % more is done, but the first piece of a reply
    comes 4 % later, and twice as late where others use the processor too.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters = 0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._waiters += 1
        if self._timer is None:
            self._timer = self._loop.call_later(EVERY_SECONDS, self._sleep)

    def __exit__(self, *exc_info: object) -> None:
        self._waiters -= 1
        if self._waiters == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self) -> None:
        time.sleep(FOR_SECONDS)
        self._timer = self._loop.call_later(EVERY_SECONDS, self._sleep)
