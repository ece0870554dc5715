"""Cross-origin resource sharing. Source: spec, "Cross-Origin Resource Sharing"; contract, "CORS"."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.head import Head
from generalbots_api.web.reply import Reply

_METHODS = b"GET, POST, PUT, DELETE, OPTIONS"
_HEADERS = b"Content-Type, Authorization, Idempotency-Key, Last-Event-ID, X-Request-Id"
_EXPOSED = (
    b"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, "
    b"Retry-After, X-Request-Id, ETag, Location"
)
_MAX_AGE = b"600"
_VARY = (b"vary", b"Origin")


@dataclass(frozen=True, slots=True)
class Cors:
    """Answers preflights and gives responses their headers.

    With `any_origin` everyone may read, without credentials; otherwise exactly
    the listed origins may, with them.
    """

    any_origin: bool
    origins: frozenset[bytes]

    @classmethod
    def of(cls, origins: tuple[str, ...]) -> Cors:
        return cls("*" in origins, frozenset(origin.encode() for origin in origins if origin != "*"))

    def headers(self, head: Head) -> RawHeaders:
        """What the response to `head` carries, whatever its status."""
        if head.origin is None:
            return [_VARY]
        listed = head.origin in self.origins
        if not listed and not self.any_origin:
            return [_VARY]
        headers = [_VARY, (b"access-control-allow-origin", head.origin if listed else b"*")]
        if listed:
            headers.append((b"access-control-allow-credentials", b"true"))
        headers.append((b"access-control-expose-headers", _EXPOSED))
        return headers

    def preflight(self, head: Head) -> Reply:
        """204; without the headers that allow anything where the origin is not allowed."""
        headers: RawHeaders = []
        if head.origin is not None and (self.any_origin or head.origin in self.origins):
            headers = [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _HEADERS),
                (b"access-control-max-age", _MAX_AGE),
            ]
        return Reply(b"", 204, headers=headers)
