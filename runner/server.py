"""Hypercorn behind one function: a bound socket in, a clean end out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp

from runner.drain import Connections, Requests, end_late_ones
from runner.hardening import harden
from runner.listening import BACKLOG

KEEP_ALIVE = 30  # seconds
PING_INTERVAL = 20  # seconds
FRAME_SLACK = 4_096  # bytes over the library's own bound, which answers in its own words
HEAD_BYTES = 16_384  # of a request line and headers
STREAMS = 100  # of one HTTP/2 connection
NET = 5  # seconds past the grace, should our own end fail


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What of the settings the server itself needs."""

    graceful_timeout: float  # seconds
    frame_max_bytes: int
    root_path: str = ""
    certfile: str | None = None
    keyfile: str | None = None


async def serve_until(
    stop: Callable[[], Awaitable[None]], app: ASGIApp, descriptor: int, options: ServerOptions
) -> None:
    """Serve on the socket until `stop` returns; requests in flight get `graceful_timeout` seconds from then on."""
    requests, connections = Requests(app), Connections()
    harden(connections)
    async with anyio.create_task_group() as tasks:

        async def stopped() -> None:
            await stop()
            tasks.start_soon(end_late_ones, requests, connections, options.graceful_timeout)

        async def served() -> None:
            config = _config(descriptor, options)
            await serve(requests, config, shutdown_trigger=stopped, mode="asgi")  # type: ignore[arg-type] # the same ASGI in other types
            tasks.cancel_scope.cancel()

        # In a task of its own: before Python 3.13 Hypercorn leaves the one it runs in marked as cancelled.
        tasks.start_soon(served)


def _config(descriptor: int, options: ServerOptions) -> Config:
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.backlog = BACKLOG
    config.keep_alive_timeout = KEEP_ALIVE
    config.graceful_timeout = options.graceful_timeout + NET
    config.websocket_ping_interval = PING_INTERVAL
    config.websocket_max_message_size = options.frame_max_bytes + FRAME_SLACK
    config.h11_max_incomplete_size = HEAD_BYTES
    config.h2_max_header_list_size = HEAD_BYTES
    config.h2_max_concurrent_streams = STREAMS
    config.include_server_header = False
    config.include_date_header = False
    config.root_path = options.root_path
    config.certfile, config.keyfile = options.certfile, options.keyfile
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
