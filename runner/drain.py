"""The end of serving: requests under way get their time, then they are cancelled and their connections cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Ending:
    """What happens between a signal and the end of the server."""

    server: Server
    requests: Requests
    listening: asyncio.AbstractServer
    drain: Callable[[], Awaitable[None]]

    async def run(self, grace: float) -> None:
        """Answer what is under way, close what is not, and after `grace` seconds end what is left."""
        await self.server.finish()
        with anyio.move_on_after(grace):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._turn_away)
                await self.drain()
                self.server.restart()
            await self.server.empty()
        self.listening.close()
        await self._cut()

    async def _turn_away(self) -> None:
        """Take no more, and close what is idle.

        Not at once: a request that is on its way would be lost. Its answer says
        that it is the last one of its connection.
        """
        with anyio.move_on_after(IDLE_LINGER):
            await self.server.empty()
        self.listening.close()
        self.server.let_go()

    async def _cut(self) -> None:
        self.server.restart()
        while self.server.connections:
            self.requests.cancel()
            with anyio.move_on_after(LAST_WORDS):
                await self.server.empty()
            self.server.cut()
            with anyio.move_on_after(LAST_WORDS):
                await self.server.empty()
