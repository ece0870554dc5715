"""Only names of this machine, where a page elsewhere could rebind its own name to it."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.errors import InvalidRequest
from generalbots_api.web.errors import error_body

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
REFUSAL = error_body(InvalidRequest("This service answers on this machine only: use localhost"))


def with_hosts_of_loopback(app: ASGIApp, host: str) -> ASGIApp:
    """400 for a Host header that is neither a name of loopback nor `host`, which is listened on."""
    allowed = LOOPBACK | {host}

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if has_host_of(allowed, scope):
            await app(scope, receive, send)
        else:
            await _refuse(scope, receive, send)

    return guarded


def has_host_of(allowed: frozenset[str], scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    try:
        return all(urlsplit(f"//{host.decode('latin-1')}").hostname in allowed for host in hosts)
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        kind = "websocket.http"
    scope["gb.request_id"] = request_id = secrets.token_hex(8).encode()
    headers = [
        (b"x-request-id", request_id),
        (b"x-content-type-options", b"nosniff"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(REFUSAL)).encode()),
    ]
    await send({"type": f"{kind}.response.start", "status": 400, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": REFUSAL})
