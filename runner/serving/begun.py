"""A job that is begun where it comes up, and goes to a task only if it has to wait for something."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any


class Begun:
    """A coroutine that has run up to where it first waits. Who awaits this goes on with it from there.

    What a client sends can nearly always be handled at once, and to wake a task
    for it costs a twentieth of what a message of a WebSocket costs in all.
    """

    __slots__ = ("_job", "_waits_for")

    def __init__(self, job: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._job = job
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        """Hand on to the task what the job waits for, and to the job how that went."""
        while True:
            error: BaseException | None = None
            try:
                yield self._waits_for
            except BaseException as raised:  # noqa: BLE001 - the job's to deal with, a cancellation too
                error = raised
            try:
                self._waits_for = self._job.send(None) if error is None else self._job.throw(error)
            except StopIteration:
                return


def begin(job: Coroutine[Any, Any, None]) -> Begun | None:
    """Run it for as long as it need not wait. None: it is done.

    Not for a job that asks in which task it runs.
    """
    try:
        return Begun(job, job.send(None))
    except StopIteration:
        return None
