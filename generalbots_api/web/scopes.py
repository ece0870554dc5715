"""Living inside other apps: their lifespans, and a prefix of their paths."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.web.paths import is_at, plain_prefix, route_path

log = logging.getLogger("generalbots_api")

Lifespan = Callable[[object], AbstractAsyncContextManager[Any]]


async def answer_lifespan(lifespan: Lifespan, receive: Receive, send: Send) -> None:
    """Serve the lifespan scope when nothing is around the app. Source: ASGI, "Lifespan Protocol"."""
    async with AsyncExitStack() as stack:
        await receive()
        if not await _is_entered(stack, lifespan, send):
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _is_entered(stack: AsyncExitStack, lifespan: Lifespan, send: Send) -> bool:
    """Enter `lifespan`; if it fails, tell the server so."""
    try:
        await stack.enter_async_context(lifespan(None))
    except Exception as error:
        log.exception("startup.failed")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return False
    return True


def with_lifespan(host: Lifespan, ours: Lifespan) -> Lifespan:
    """The host's lifespan with ours around it; what the host's yields is passed on."""

    @asynccontextmanager
    async def both(app: object) -> AsyncIterator[Any]:
        async with ours(app), host(app) as state:
            yield state

    return both


def with_prefix(ours: ASGIApp, host: ASGIApp, prefix: str, lifespan: Lifespan) -> ASGIApp:
    """Requests below `prefix` go to `ours`, all others to `host`; ours lives as long as the host.

    A host that does not speak the lifespan protocol is left alone with it.

    Raises:
        ValueError: `prefix` does not begin with a slash.
    """
    prefix = plain_prefix(prefix)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _around_host(host, lifespan, scope, receive, send)
        elif is_at(route_path(scope), prefix):
            root = scope.get("root_path", "").rstrip("/")
            child = {"root_path": root + prefix, "app_root_path": scope.get("app_root_path", root)}
            await ours({**scope, **child}, receive, send)
        else:
            await host(scope, receive, send)

    return app


async def _around_host(host: ASGIApp, lifespan: Lifespan, scope: Scope, receive: Receive, send: Send) -> None:
    has_answered = False

    async def note(message: Any) -> None:
        nonlocal has_answered
        has_answered = True
        await send(message)

    async with AsyncExitStack() as stack:
        if not await _is_entered(stack, lifespan, send):
            return
        try:
            await host(scope, receive, note)
        except Exception:
            if has_answered:
                raise
        if not has_answered:
            log.info("host.without_lifespan")
            await _answer_for_host(receive, send)


async def _answer_for_host(receive: Receive, send: Send) -> None:
    """The host raised or said nothing, as an app does that knows no lifespan; ours needs one all the same."""
    await send({"type": "lifespan.startup.complete"})
    while (await receive())["type"] != "lifespan.shutdown":
        pass
    await send({"type": "lifespan.shutdown.complete"})
