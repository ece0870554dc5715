"""Which origins may do what: CSRF for cookies, cross-site hijacking of sockets."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

from generalbots_api.errors import Forbidden
from generalbots_api.settings import Settings
from generalbots_api.web.head import Head

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Knows the API's own origin and the configured ones."""

    public_origin: str | None  # None: taken from each request
    allowed: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> OriginPolicy:
        """`*` among the CORS origins is no origin that may use a cookie."""
        public = origin_of(settings.public_url) if settings.public_url else None
        return cls(public, frozenset({*(settings.cors_origins or ()), *settings.redirect_origins} - {"*"}))

    def is_allowed(self, origin: bytes, scope: Scope) -> bool:
        text = origin.decode("latin-1")
        return text in self.allowed or text == (self.public_origin or request_origin(scope))

    def check_unsafe(self, head: Head, scope: Scope) -> None:
        """Let an unsafe method with a cookie in only from here.

        Raises:
            Forbidden: it comes from somewhere else.

        Source: contract, "Authentication of a request".
        """
        if head.fetch_site in (b"same-origin", b"none"):
            return
        if head.origin is None and head.fetch_site is None:
            return  # not a browser
        if head.origin is None or not self.is_allowed(head.origin, scope):
            raise Forbidden("This request comes from another site")

    def check_socket(self, head: Head, scope: Scope, *, by_cookie: bool) -> None:
        """An `Origin` that is there must be allowed; with a cookie it must be there.

        Raises:
            Forbidden: it is not.
        """
        if head.origin is None and not by_cookie:
            return
        if head.origin is None or not self.is_allowed(head.origin, scope):
            raise Forbidden("This origin may not open a socket here")


def origin_of(url: str) -> str:
    """The origin of an http(s) URL, as browsers send it: default ports left out."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    shown = f":{port}" if port is not None and port != _DEFAULT_PORTS.get(parts.scheme) else ""
    return f"{parts.scheme}://{host}{shown}"


def request_origin(scope: Scope) -> str:
    """The origin that the request was sent to, by its scheme and Host header."""
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
    host = next((value for name, value in scope["headers"] if name == b"host"), None)
    if host is None:
        server = scope.get("server") or ("localhost", None)
        host = (f"{server[0]}:{server[1]}" if server[1] else server[0]).encode()
    try:
        return origin_of(f"{scheme}://{host.decode('latin-1')}")
    except ValueError:
        return ""


def public_base(settings: Settings, scope: Scope) -> str:
    """What browsers see of this API, prefix included, no slash at the end. `public_url` wins."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    return request_origin(scope) + str(scope.get("root_path", "")).rstrip("/")
