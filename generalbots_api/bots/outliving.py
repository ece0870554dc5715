"""Foreign code in a task of its own, which nobody waits for longer than a grace, whatever it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

log = logging.getLogger("generalbots_api.bots")

GRACE = 2.0  # seconds
T = TypeVar("T")


class Gone(RuntimeError):
    """The foreign code cancelled its own task, or ended it in a way that would take others along."""


async def outlive(work: Callable[[], Coroutine[Any, Any, T]], *, grace: float, what: str) -> T:
    """What `work` returns or raises. When this is cancelled, `work` is too, and is left alone after `grace` seconds.

    Raises:
        Gone: it raised CancelledError, SystemExit or GeneratorExit on its own.
    """
    task = asyncio.create_task(_without_exit(work), name=what)
    try:
        await asyncio.wait([task])
    finally:
        await end(task, grace)
    try:
        return task.result()
    except Exception:
        raise
    except BaseException as error:
        raise tamed(error) from error


async def _without_exit(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """SystemExit would leave the task, and take the event loop with it."""
    try:
        return await work()
    except SystemExit as error:
        raise tamed(error) from error


def tamed(error: BaseException) -> BaseException:
    """What may leave a task of foreign code: as it is if it harms nobody else, or else `Gone`."""
    return error if isinstance(error, Exception | KeyboardInterrupt) else Gone(f"ended by {type(error).__name__}")


async def end(task: asyncio.Task[Any], grace: float, *, is_ending: bool = False) -> None:
    """Cancel the task and wait; once more, should it have gone on; then give it up.

    `is_ending`: it is on its way out, and gets a first grace before it is
    cancelled. Whoever waits here and is cancelled himself still sees it
    through: it takes three graces at most.
    """
    cancelled: asyncio.CancelledError | None = None
    if not task.done():
        ending = asyncio.create_task(_cancel(task, grace, is_ending), name="the end of a task")
        with anyio.CancelScope(shield=True):
            while not ending.done():
                try:
                    await asyncio.shield(ending)
                except asyncio.CancelledError as error:  # natively, which no scope shields from
                    cancelled = error
    if not task.done():
        abandon(task)
    else:
        _look_at(task)
    if cancelled is not None:
        raise cancelled


async def _cancel(task: asyncio.Task[Any], grace: float, is_ending: bool) -> None:
    if is_ending:
        await asyncio.wait([task], timeout=grace)
    for patience in (grace, grace / 4):
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=patience)


def abandon(task: asyncio.Task[Any]) -> None:
    """Let it go on alone, out of the sight of `asyncio.run`, which would wait for it at the end without bound."""
    log.error("task.abandoned", extra={"task": task.get_name()})
    asyncio._unregister_task(task)  # documented for makers of tasks: "Extending", task lifetime support
    vars_of_task: Any = task
    vars_of_task._log_destroy_pending = False  # its end is told above, once
    task.add_done_callback(_look_at)


def _look_at(task: asyncio.Task[Any]) -> None:
    """Look at what it raised, so that nobody is told that nobody looked."""
    if not task.cancelled():
        task.exception()
