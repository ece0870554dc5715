"""One line for each request, without its query: it may hold codes and states."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("generalbots_api.access")

_STATUS_OF = {"websocket.accept": 101, "websocket.close": 403}
"""Of a handshake; a close before it is answered refuses it."""


def with_access_log(app: ASGIApp) -> ASGIApp:
    """`app`, with a line at the end of each request, and of each socket. Status 0: the client left before an answer."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        started, status, sent = time.perf_counter(), 0, 0

        async def note(message: Message) -> None:
            nonlocal status, sent
            status = status or message.get("status") or _STATUS_OF.get(message["type"], 0)
            sent += len(message.get("body") or message.get("text") or message.get("bytes") or b"")
            await send(message)

        try:
            await app(scope, receive, note)
        finally:
            fields = {
                "method": scope.get("method", "WEBSOCKET"),
                "path": quote(scope["path"], errors="replace"),  # as it was sent: nothing in it breaks the line
                "status": status,
                "bytes": sent,
                "ms": round((time.perf_counter() - started) * 1_000, 1),
                "request_id": scope.get("gb.request_id", b"").decode(),
            }
            log.info("request", extra=fields)

    return logged
