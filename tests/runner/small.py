"""A supervisor and its workers without the service: `python -m tests.runner.small GRACE SILENCE COUNT KIND`."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import anyio
from starlette.types import Receive, Scope, Send

from runner import logs
from runner.children import Nursery
from runner.listening import Tcp
from runner.notify import Notifier
from runner.signals import end_at_once, told_once
from runner.supervisor import Supervisor
from runner.worker import Place

FAILED, CRASHED = 2, 3


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with its process id; some paths do harm."""
    match scope["path"]:
        case "/die":
            os._exit(CRASHED)
        case "/hang":
            time.sleep(1_000)  # noqa: ASYNC251 - what a bot must not do
        case "/never":
            await asyncio.Event().wait()
    body = str(os.getpid()).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def work(place: Place, grace: float, kind: str) -> None:
    if kind == "crashes":
        os.write(place.beat, b".")
        os._exit(CRASHED)
    from runner.server import ServerOptions, serve_until  # most of a start, which others need not have

    with told_once() as told:
        async with anyio.create_task_group() as tasks:

            async def stop() -> None:
                await told()

            tasks.start_soon(place.keep_alive)
            await serve_until(stop, app, place.descriptor, ServerOptions(graceful_timeout=grace))
            tasks.cancel_scope.cancel()


def supervise(grace: float, silence: float, count: int, kind: str) -> int:
    logs.configure("info", "text")
    listener = Tcp("127.0.0.1", 0).listen("http")
    print(listener.origin.rpartition(":")[2], flush=True)
    reading, _ = os.pipe()
    place = Place(descriptor=listener.descriptor, origin="", host=None, path=None, parent=reading, beat=-1, tells=False)
    nursery = Nursery([sys.executable, "-m", __spec__.name, *sys.argv[1:]], dict(os.environ), place)
    return anyio.run(Supervisor(nursery, count, grace, Notifier.of(os.environ), silence=silence).run)


def main(grace: str, silence: str, count: str, kind: str) -> int:
    end_at_once()
    place = Place.given(os.environ)
    if place is None:
        return supervise(float(grace), float(silence), int(count), kind)
    if kind == "fails":
        return FAILED
    place.end_with_parent(float(grace))
    anyio.run(work, place, float(grace), kind)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
