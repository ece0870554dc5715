"""What a route answers: a small value that the entry sends in one piece."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import msgspec

from generalbots_api.errors import ApiError
from generalbots_api.web.errors import RawHeaders, error_body, error_headers, status_of

JSON = b"application/json"
WITHOUT_BODY = frozenset({204, 304})
NO_STORE = (b"cache-control", b"no-store")
encode_json = msgspec.json.Encoder(decimal_format="number").encode
Message = MutableMapping[str, Any]


class Reply(msgspec.Struct, gc=False):
    """A whole response. The entry adds what every response carries.

    `headers` are raw and in lower case, without Content-Type and
    Content-Length. `is_cacheable` leaves out the `no-store` of `/api` and `/auth`.
    """

    body: bytes = b""
    status: int = 200
    content_type: bytes = JSON
    headers: RawHeaders | tuple[()] = ()
    is_cacheable: bool = False
    tail: tuple[tuple[bytes, bytes], ...] = ()
    """All of its headers, where they are encoded ahead: by `fixed`."""


def json_reply(value: object, status: int = 200, headers: RawHeaders | None = None) -> Reply:
    """`value` is anything that msgspec encodes."""
    return Reply(encode_json(value), status, JSON, headers or ())


def error_reply(error: ApiError, request_id: str) -> Reply:
    return Reply(error_body(error, request_id), status_of(error), JSON, error_headers(error))


def redirect(status: int, location: str, headers: RawHeaders | None = None) -> Reply:
    """302 or 303; `location` must be ASCII and free of control characters."""
    return Reply(b"", status, b"text/plain; charset=utf-8", [(b"location", location.encode("ascii")), *(headers or [])])


def fixed(reply: Reply) -> Reply:
    """`reply`, for being told again and again."""
    tail: RawHeaders = []
    rendered(reply, tail, is_head=False)
    reply.tail = tuple(tail)
    return reply


def rendered(reply: Reply, headers: RawHeaders, *, is_head: bool) -> tuple[Message, Message]:
    """The two ASGI messages of a response; `headers` are those of the entry, and are added to.

    204 and 304 go without a body and its headers.
    """
    status, body = reply.status, reply.body
    if reply.tail:
        headers += reply.tail
    else:
        if reply.headers:
            headers += reply.headers
        if not reply.is_cacheable:
            headers.append(NO_STORE)
        if status in WITHOUT_BODY:
            body = b""
        else:
            headers += ((b"content-type", reply.content_type), _length(len(body)))
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": b"" if is_head else body},
    )


@lru_cache(maxsize=1_024)  # half as dear as making one
def _length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size
