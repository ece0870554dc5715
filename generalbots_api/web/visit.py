"""One request on its way in, and what its response carries already."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from itertools import count

import msgspec
from starlette.types import Scope

from generalbots_api.clock import Clock
from generalbots_api.web.cors import Cors
from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.head import Head, read_head

NOSNIFF = (b"x-content-type-options", b"nosniff")
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Visit(msgspec.Struct, gc=False):
    """A request, or the handshake of a socket."""

    raw_id: bytes
    head: Head
    now_unix: float
    headers: RawHeaders

    @property
    def request_id(self) -> str:
        return self.raw_id.decode()


@dataclass(slots=True)
class Visits:
    """Begins them: reads the head, and gives the response the headers that do not depend on the answer."""

    cors: Cors | None
    clock: Clock
    is_production: bool
    _ids: count[int] = field(default_factory=count)
    _id_prefix: bytes = field(default_factory=lambda: secrets.token_hex(8).encode() + b"-")

    def begin(self, scope: Scope) -> Visit:
        head = read_head(scope["headers"])
        request_id = head.request_id or b"%b%d" % (self._id_prefix, next(self._ids))
        headers: RawHeaders = [(b"x-request-id", request_id), NOSNIFF]
        if self.is_production:
            headers.append(HSTS)
        if self.cors is not None:
            headers += self.cors.headers(head)
        scope["gb.request_id"] = request_id
        return Visit(request_id, head, self.clock.unix(), headers)
