"""The server behind one function: a bound socket in, a clean end out."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from starlette.types import ASGIApp

from runner.drain import Ending, Requests
from runner.listening import BACKLOG
from runner.serving.limits import Limits
from runner.serving.names import Config
from runner.serving.server import Server

FRAME_SLACK = 4_096  # bytes over the library's own bound, which answers in its own words
REQUESTS = 100_000  # on one connection
TLS_HANDSHAKE = 10  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What of the settings the server itself needs."""

    graceful_timeout: float  # seconds
    root_path: str = ""
    certfile: str | None = None
    keyfile: str | None = None
    limits: Limits = Limits()


async def nothing() -> None:
    """What an app that keeps nothing has to drain."""


async def serve_until(
    stop: Callable[[], Awaitable[None]],
    app: ASGIApp,
    descriptor: int,
    options: ServerOptions,
    drain: Callable[[], Awaitable[None]] = nothing,
) -> None:
    """Serve on the socket until `stop` returns, then drain.

    Requests in flight, and what `drain` waits for, get `graceful_timeout`
    seconds from then on. New connections are taken a moment longer, so that who
    asks whether it is ready is told that it is not.
    """
    requests = Requests(app)
    config = _config(options)
    server = Server(requests, config, options.limits)
    listening = await asyncio.get_running_loop().create_server(
        server.connect,
        sock=socket.socket(fileno=descriptor),
        backlog=BACKLOG,
        ssl=config.create_ssl_context(),
        ssl_handshake_timeout=TLS_HANDSHAKE if config.ssl_enabled else None,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.sweep)
        await stop()
        await Ending(server, requests, listening, drain).run(options.graceful_timeout)
        tasks.cancel_scope.cancel()


def _config(options: ServerOptions) -> Config:
    limits, config = options.limits, Config()
    config.keep_alive_max_requests = REQUESTS
    config.websocket_max_message_size = limits.message_bytes
    config.h11_max_incomplete_size = limits.head_bytes
    config.h2_max_header_list_size = limits.head_bytes
    config.h2_max_concurrent_streams = limits.streams
    config.include_server_header = False
    config.include_date_header = False
    config.root_path = options.root_path
    config.certfile, config.keyfile = options.certfile, options.keyfile
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
