"""What a route answers: a small value that the entry sends in one piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from generalbots_api.errors import ApiError
from generalbots_api.web.errors import RawHeaders, error_body, error_headers, status_of

JSON = b"application/json"
encode_json = msgspec.json.Encoder(decimal_format="number").encode
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Reply(msgspec.Struct, gc=False):
    """A whole response. The entry adds what every response carries.

    `headers` are raw and in lower case, without Content-Type and
    Content-Length. `is_cacheable` leaves out the `no-store` of `/api` and `/auth`.
    """

    body: bytes = b""
    status: int = 200
    content_type: bytes = JSON
    headers: RawHeaders = []
    is_cacheable: bool = False


def json_reply(value: object, status: int = 200, headers: RawHeaders | None = None) -> Reply:
    """`value` is anything that msgspec encodes."""
    return Reply(encode_json(value), status, JSON, headers or [])


def error_reply(error: ApiError, request_id: str) -> Reply:
    return Reply(error_body(error, request_id), status_of(error), JSON, error_headers(error))


def redirect(status: int, location: str, headers: RawHeaders | None = None) -> Reply:
    """302 or 303; `location` must be ASCII and free of control characters."""
    return Reply(b"", status, b"text/plain; charset=utf-8", [(b"location", location.encode("ascii")), *(headers or [])])


async def send_reply(reply: Reply, common: RawHeaders, send: Send, *, is_head: bool) -> None:
    """Send `reply` with `common` headers. 204 and 304 go without a body and its headers."""
    headers = [*common, *reply.headers]
    body = reply.body
    if reply.status in (204, 304):
        body = b""
    else:
        headers.append((b"content-type", reply.content_type))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else body, "more_body": False})
