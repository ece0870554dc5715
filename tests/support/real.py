"""One service under each of the servers that hosts use, in the event loop of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import uvicorn

from generalbots_api import SystemClock
from runner.server import ServerOptions, serve_until
from tests.support.service import Service, running_service

SERVERS = ["runner", "hypercorn", "uvicorn"]
PLENTY = {"limit_user": 1_000_000, "limit_anonymous": 1_000_000}
Serve = Callable[[Any, socket.socket, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def really_served(server: str, **options: Any) -> AsyncIterator[tuple[Service, int]]:
    """A service that listens on a free port of 127.0.0.1: itself, and its port. Its clock is the machine's."""
    settings, clock = {**PLENTY, **options.pop("settings", {})}, SystemClock()
    bound, ending = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    port = bound.getsockname()[1]
    async with running_service(settings=settings, clock=clock, **options) as service:  # type: ignore[arg-type] # a clock
        serving = asyncio.ensure_future(_SERVE[server](service.app, bound, ending))
        try:
            yield service, port
        finally:
            ending.set()
            await serving


async def _by_runner(app: Any, bound: socket.socket, ending: asyncio.Event) -> None:
    async def stop() -> None:
        await ending.wait()

    await serve_until(stop, app, bound.detach(), ServerOptions(graceful_timeout=1))


async def _by_hypercorn(app: Any, bound: socket.socket, ending: asyncio.Event) -> None:
    config = hypercorn.config.Config()
    config.bind, config.graceful_timeout, config.errorlog = [f"fd://{bound.detach()}"], 1, None
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=ending.wait)


async def _by_uvicorn(app: Any, bound: socket.socket, ending: asyncio.Event) -> None:
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, ws="websockets-sansio")
    server = uvicorn.Server(config)

    async def end() -> None:
        await ending.wait()
        server.should_exit = True

    ender = asyncio.create_task(end())
    await server.serve(sockets=[bound])
    await ender


_SERVE: dict[str, Serve] = {"runner": _by_runner, "hypercorn": _by_hypercorn, "uvicorn": _by_uvicorn}
