"""The end of serving: requests under way get their time, then they are cancelled and their connections cut."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import anyio
from hypercorn.asyncio.tcp_server import TCPServer
from starlette.types import ASGIApp, Receive, Scope, Send

LAST_WORDS = 0.5  # seconds for the answers of cancelled requests to go out


class Requests:
    """The app as the server sees it: knows what is under way, and answers the lifespan itself.

    The process opens and closes the service around the server, so that a failed
    start is never served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
            return
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


class Connections:
    """Takes the place of Hypercorn's `TCPServer`, to know which connections are open."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[None], TCPServer] = {}

    async def __call__(self, *arguments: Any) -> None:
        """Serve one connection.

        In a task of its own, which may be cancelled while the server's ends as
        any other: asyncio's streams tell of one that was cancelled with a traceback.
        """
        connection = TCPServer(*arguments)
        task = asyncio.create_task(_serve(connection))
        self._open[task] = connection
        try:
            await asyncio.wait([task])
        finally:
            del self._open[task]
            task.cancel()
        if not task.cancelled():
            task.result()

    def cut(self) -> None:
        """Close them without sending what still waits: a client that does not read would hold up the end for ever."""
        for task, connection in self._open.items():
            connection.writer.transport.abort()
            task.cancel()


async def _serve(connection: TCPServer) -> None:
    """Serve it, unless it is gone already: Hypercorn takes for granted that it still has a socket."""
    if connection.writer.get_extra_info("socket") is not None:
        await connection.run()


async def end_late_ones(requests: Requests, connections: Connections, graceful_timeout: float) -> NoReturn:
    """After the grace, end what is under way, until the server has nothing left and this is cancelled.

    Hypercorn's own way is to cancel the connections, which it tells with
    tracebacks, and which a client that does not read, or Python 3.12.1 and
    newer, makes hang.
    """
    await anyio.sleep(graceful_timeout)
    while True:
        requests.cancel()
        await anyio.sleep(LAST_WORDS)
        connections.cut()


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
