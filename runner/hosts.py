"""Only names of this machine, where a page elsewhere could rebind its own name to it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.errors import InvalidRequest
from generalbots_api.web.errors import error_body

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def with_loopback_hosts(app: ASGIApp) -> ASGIApp:
    """400 for a Host header that is not a name of loopback."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_local(scope):
            await _refuse(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def is_local(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    try:
        return all(urlsplit(f"//{host.decode('latin-1')}").hostname in LOOPBACK for host in hosts)
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    prefix = "http"
    if scope["type"] == "websocket":
        await receive()
        prefix = "websocket.http"
    body = error_body(InvalidRequest("This service answers on this machine only: use localhost"))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.response.start", "status": 400, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": body})
