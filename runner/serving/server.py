"""What all connections of one listening socket share: the app, the limits, and one clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from runner.serving.connection import Connection
from runner.serving.limits import Limits
from runner.serving.names import Config, WorkerContext
from runner.serving.pace import Pace


@dataclass(slots=True, eq=False)
class Server:
    app: ASGIApp
    config: Config
    limits: Limits
    context: WorkerContext = field(default_factory=lambda: WorkerContext(None))
    connections: set[Connection] = field(default_factory=set)
    pace: Pace = field(default_factory=Pace)
    is_letting_go: bool = False
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def connect(self) -> Connection:
        return Connection(self)

    def notice(self) -> None:
        if not self.connections:
            self._empty.set()

    async def empty(self) -> None:
        """Return when no connection is open."""
        while self.connections:
            self._empty.clear()
            await self._empty.wait()

    async def sweep(self) -> None:
        """Look at every connection now and then: cheaper than a timer for each."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.sweep)
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)

    async def finish(self) -> None:
        """From now on each answer is the last of its connection."""
        await self.context.terminated.set()

    def restart(self) -> None:
        """Tell what is open of WebSockets to come back elsewhere, if the app has not."""
        for connection in list(self.connections):
            connection.restart()

    def let_go(self) -> None:
        """Close what has no request under way."""
        self.is_letting_go = True
        for connection in list(self.connections):
            connection.let_go()

    def cut(self) -> None:
        """Close everything without sending what still waits."""
        for connection in list(self.connections):
            connection.abort()
