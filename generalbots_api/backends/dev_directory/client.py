"""The one application that the directory knows, and the addresses it may be answered at."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

CALLBACK_PATH = "/auth/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    id: str
    secret: str  # "": a public client, which shows none
    redirect_uris: tuple[str, ...] | None  # None: any of loopback that ends in /auth/callback
    backchannel_logout_uri: str | None

    def may_be_answered_at(self, redirect_uri: str) -> bool:
        if self.redirect_uris is not None:
            return redirect_uri in self.redirect_uris
        parts = loopback_parts(redirect_uri)
        return parts is not None and parts.path.endswith(CALLBACK_PATH) and not parts.query

    def may_return_to(self, uri: str) -> bool:
        """After a logout: loopback, or where it may be answered."""
        if loopback_parts(uri) is not None:
            return True
        return origin_of(uri) in {origin_of(known) for known in self.redirect_uris or ()}


def loopback_parts(url: str) -> SplitResult | None:
    """The parts of a plain http(s) URL of this machine; None for any other.

    What a browser reads otherwise than Python does (a backslash, a control
    character, user information) is no plain URL.
    """
    parts = plain_parts(url)
    return parts if parts is not None and is_loopback(parts.hostname or "") else None


def plain_parts(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    is_plain = parts.scheme in ("http", "https") and "@" not in parts.netloc and not parts.fragment
    return parts if is_plain and parts.hostname else None


def origin_of(url: str) -> str:
    """ "" for what is no plain URL."""
    parts = plain_parts(url)
    return f"{parts.scheme}://{parts.netloc}" if parts else ""


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
