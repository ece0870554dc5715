"""An app served as the runner serves: `python -m tests.bench.by_runner tests.bench.chat_apps:ours PORT`."""

from __future__ import annotations

import socket
import sys
from importlib import import_module

import anyio
import uvloop
from starlette.types import ASGIApp

from runner.collector import settle
from runner.server import ServerOptions, serve_until


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    module, _, attribute = name.partition(":")
    app: ASGIApp = getattr(import_module(module), attribute)
    anyio.run(serve, app, port, backend_options={"loop_factory": uvloop.new_event_loop})


async def serve(app: ASGIApp, port: int) -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        started = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live, app, started)
            await started.wait()
            settle()
            await serve_until(anyio.sleep_forever, app, listening.detach(), ServerOptions(graceful_timeout=1))


async def live(app: ASGIApp, started: anyio.Event) -> None:
    """The app's lifespan, without an end: the process is ended."""

    async def receive() -> dict[str, str]:
        if started.is_set():
            await anyio.sleep_forever()
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None:
        started.set()

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


if __name__ == "__main__":
    main()
