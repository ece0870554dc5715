"""The end of serving: requests under way get their time, then they are cancelled and their connections cut."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.serving.server import Server

IDLE_LINGER = 0.5  # seconds in which a client that keeps its connection hears that it is the last answer
LAST_WORDS = 0.5  # seconds for the answers of cancelled requests to go out


class Requests:
    """The app as the server sees it: knows what is under way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()  # not a cancel scope of anyio: every request pays for this
        if task is None:
            raise RuntimeError("a request runs in a task")
        self._tasks.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._tasks.discard(task)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


async def end(server: Server, requests: Requests, graceful_timeout: float) -> None:
    """Answer what is under way, close what is not, and after the grace end what is left.

    An idle connection is not closed at once: a request that is on its way to it
    would be lost. Its answer says that it is the last.
    """
    await server.finish()
    with anyio.move_on_after(graceful_timeout):
        with anyio.move_on_after(IDLE_LINGER):
            await server.empty()
        server.let_go()
        await server.empty()
    while server.connections:
        requests.cancel()
        with anyio.move_on_after(LAST_WORDS):
            await server.empty()
        server.cut()
        with anyio.move_on_after(LAST_WORDS):
            await server.empty()
