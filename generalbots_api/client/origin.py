"""Where the API is: one origin and a prefix, and nothing else ever gets the token."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Origin:
    """The base URL, without a slash at its end.

    Raises:
        ValueError: not an http(s) URL, or one with a user, a query or a fragment.
    """

    base: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.base)
        odd = parts.username is not None or parts.password is not None or parts.query or parts.fragment
        if parts.scheme not in _SOCKET_SCHEMES or not parts.hostname or odd:
            raise ValueError("base_url must be http(s)://host[:port][/prefix], without user, query or fragment")
        object.__setattr__(self, "base", self.base.rstrip("/"))

    def url(self, path: str) -> str:
        return self.base + path

    def socket_url(self, path: str) -> str:
        scheme, _, rest = self.base.partition("://")
        return f"{_SOCKET_SCHEMES[scheme.lower()]}://{rest}{path}"


def segment(id: str) -> str:
    """An id as one segment of a path.

    Raises:
        ValueError: an id that would lead elsewhere.
    """
    if id in ("", ".", ".."):
        raise ValueError("an id must not be empty, . or ..")
    return quote(id, safe="")
