"""The real service under a real server of 127.0.0.1, and a way to it that cuts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from generalbots_api import SystemClock
from generalbots_api.storage import Storage
from tests.support.service import Service, running_service

PIECE = 65_536


@asynccontextmanager
async def real_server(
    bots: Sequence[Any] | None = None, storage: Storage | None = None, **settings: Any
) -> AsyncIterator[tuple[Service, int]]:
    """A service that listens: itself, and its port. Its clock is the machine's."""
    bounds = {"limit_user": 1_000_000, "frames_per_second": 1_000, "frame_burst": 10_000, **settings}
    listening = socket.create_server(("127.0.0.1", 0))
    ending = asyncio.Event()
    config = Config()
    port = listening.getsockname()[1]
    config.bind = [f"fd://{listening.detach()}"]  # Hypercorn closes it
    config.graceful_timeout = 1
    clock: Any = SystemClock()
    async with running_service(settings=bounds, bots=bots, storage=storage, clock=clock) as service:
        app: Any = service.app
        server = asyncio.create_task(serve(app, config, shutdown_trigger=ending.wait))
        try:
            yield service, port
        finally:
            ending.set()
            await server


@dataclass
class CuttingProxy:
    """Passes bytes on, of each connection as many as `allowance` says; then both sides see it break off."""

    target: int
    allowance: Callable[[], int | None]  # None: as many as there are
    port: int = 0
    connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        left = self.allowance()
        budget = [left] if left is not None else None
        ways = [asyncio.create_task(pump(reader, back, budget)), asyncio.create_task(pump(there, writer, budget))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, back):
                end.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)
            self._tasks.discard(task)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: list[int] | None) -> None:
    """Until there is no more to pass on, or the budget of both ways is used up."""
    try:
        while data := await reader.read(PIECE):
            if budget is not None:
                data = data[: budget[0]]
                budget[0] -= len(data)
            writer.write(data)
            await writer.drain()
            if budget is not None and budget[0] <= 0:
                return
    except ConnectionError:
        return


@asynccontextmanager
async def cutting_proxy(target: int, allowance: Callable[[], int | None]) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(target, allowance)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    async with server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
        await proxy.close()
