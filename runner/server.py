"""Hypercorn behind one function: bound sockets in, a clean end out."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.hardening import harden
from runner.layers import SettingsError

BACKLOG = 1_024
KEEP_ALIVE = 30  # seconds
PING_INTERVAL = 20  # seconds
FRAME_SLACK = 4_096  # bytes over the library's own bound, which answers in its own words


class CannotBind(Exception):
    """The address cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket, and where it is reached."""

    descriptor: int
    origin: str  # "http://127.0.0.1:8080"
    is_loopback: bool


def listen(bind: str, *, is_tls: bool) -> Listener:
    """Bind before anything else, so that a port in use is one clear line.

    Raises:
        CannotBind, SettingsError.
    """
    if bind.startswith("fd://"):
        return Listener(int(bind[5:]), "http://127.0.0.1", False)
    if bind.startswith("unix:"):
        return Listener(_unix(bind[5:]), "http://127.0.0.1", False)
    host, sep, port = bind.rpartition(":")
    if not sep or not port.isdigit() or not host:
        raise SettingsError(f"bind: {bind!r} must be HOST:PORT, unix:PATH or fd://N")
    return _tcp(host.strip("[]"), int(port), "https" if is_tls else "http")


def _tcp(host: str, port: int, scheme: str) -> Listener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotBind(f"{host}:{port} cannot be used ({error.strerror}). Choose another with --bind.") from None
    sock.set_inheritable(True)
    bound = sock.getsockname()[1]
    shown = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104 - shown, not bound
    is_loopback = host in ("127.0.0.1", "::1", "localhost")
    return Listener(sock.detach(), f"{scheme}://{shown}:{bound}", is_loopback)


def _unix(path: str) -> int:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotBind(f"{path} cannot be used ({error.strerror}). Remove it, or choose another.") from None
    os.chmod(path, 0o660)
    return sock.detach()


async def serve_until(app: ASGIApp, listener: Listener, stop: Callable[[], Awaitable[None]], **options: Any) -> None:
    """Serve on the listener until `stop` returns; requests in flight get `graceful_timeout` seconds."""
    config = Config()
    config.bind = [f"fd://{listener.descriptor}"]
    config.backlog = BACKLOG
    config.keep_alive_timeout = KEEP_ALIVE
    config.websocket_ping_interval = PING_INTERVAL
    config.websocket_max_message_size = options["frame_max_bytes"] + FRAME_SLACK
    config.graceful_timeout = options["graceful_timeout"]
    config.include_server_header = False
    config.include_date_header = False
    config.root_path = options["root_path"]
    config.certfile, config.keyfile = options["certfile"], options["keyfile"]
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.loglevel = "WARNING"
    harden()
    await serve(_without_lifespan(app), config, shutdown_trigger=stop)  # type: ignore[arg-type] # same shape


def _without_lifespan(app: ASGIApp) -> ASGIApp:
    """The process opens and closes the service itself, around the server: a failed start is never served."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    return outer
