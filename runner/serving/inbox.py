"""What an app has yet to receive, and the tasks of one connection in which apps run."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.types import ASGIApp, Message, Scope

log = logging.getLogger("runner")

ENDS = ("http.disconnect", "websocket.disconnect")
AppSend = Callable[[Message | None], Awaitable[None]]


class Gone(ConnectionError):
    """Raised by `send`: the client is gone. Source: ASGI 2.4, "Disconnected Client"."""


def is_gone(error: BaseException) -> bool:
    """Also where task groups have put it into groups."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_gone(one) for one in error.exceptions)
    return isinstance(error, Gone)


class Inbox:
    """Bounded: who puts waits for the app. A disconnect does not wait, and is given again whenever asked for."""

    __slots__ = ("_limit", "_messages", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[Message] = deque()
        self._waiting: list[asyncio.Future[None]] = []

    async def get(self) -> Message:
        while not self._messages:
            await self._change()
        if self._messages[0]["type"] in ENDS:
            return self._messages[0]
        message = self._messages.popleft()
        if self._waiting:
            self._wake()
        return message

    async def put(self, message: Message) -> None:
        self._messages.append(message)
        if self._waiting:
            self._wake()
        while len(self._messages) > self._limit and message["type"] not in ENDS:
            await self._change()

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Tasks:
    """What runs for one connection. Takes the place of Hypercorn's task group, in which one failure ends all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._running: set[asyncio.Task[None]] = set()

    async def spawn_app(
        self, app: ASGIApp, config: object, scope: Scope, send: AppSend
    ) -> Callable[[Message], Awaitable[None]]:
        """Run `app`, and return what its `receive` is fed by."""
        inbox = Inbox(self._limit)
        self._start(_run(app, scope, inbox, send))
        return inbox.put

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        self._start(_told(function(*arguments)))

    async def finished(self) -> None:
        while self._running:
            await asyncio.wait(self._running)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(job)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _run(app: ASGIApp, scope: Scope, inbox: Inbox, send: AppSend) -> None:
    """Send None at the end, as Hypercorn's streams want it."""
    try:
        await app(scope, inbox.get, send)
    except Exception as error:
        if not is_gone(error):  # else there is nobody left to be told
            log.exception("app.failed")
    finally:
        await send(None)


async def _told(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except Exception:
        log.exception("connection.failed")
