"""Work that is carried through, whoever asked for it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
_running: set[asyncio.Task[Any]] = set()  # the event loop itself keeps tasks by weak references only


async def carried_through(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` in a task of its own.

    A cancelled scope waits for its end. A cancelled task, as by `asyncio.timeout` in
    a host's middleware, which no scope shields from, leaves it to run on alone.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    with anyio.CancelScope(shield=True):
        done = await asyncio.shield(task)
    return done
