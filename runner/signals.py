"""What SIGTERM and Ctrl-C do: while it serves a clean end; before that, after it, and the second time, one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

ENDING = (signal.SIGTERM, signal.SIGINT)


def end_at_once() -> None:
    """From now on a signal ends the process where it stands, with the exit code of a shell: 143 or 130.

    Nothing is lost by it: what was acknowledged is on disk, and what was being
    opened is opened again the next time.
    """
    for number in ENDING:
        signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    os._exit(128 + number)  # not by an exception, which would be told with a traceback


@contextmanager
def told_once() -> Iterator[Callable[[], Awaitable[signal.Signals]]]:
    """In it a signal does not end the process, but is given to whoever awaits it; one that comes early waits too.

    From the first one on, the next ends the process at once, be the event loop
    blocked or not: so these are handlers of the interpreter, not of the loop.
    """
    try:
        with anyio.open_signal_receiver(*ENDING) as signals:

            async def first() -> signal.Signals:
                number = await anext(signals)
                end_at_once()
                return number

            yield first
    finally:
        end_at_once()  # the receiver has put the default handlers back, whose Ctrl-C is a traceback


def has_terminal() -> bool:
    """Whether a terminal controls this process: when it is closed, SIGHUP says so, and it is gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
