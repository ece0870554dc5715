"""The request head: one pass over the raw headers, for all that the entry needs."""

from __future__ import annotations

import msgspec

from generalbots_api.web.errors import RawHeaders

MAX_REQUEST_ID = 128
_FIELDS = {
    b"authorization": "authorization",
    b"cookie": "cookies",
    b"origin": "origin",
    b"sec-fetch-site": "fetch_site",
    b"content-length": "content_length",
    b"content-type": "content_type",
    b"x-request-id": "request_id",
    b"x-forwarded-for": "forwarded_for",
    b"access-control-request-method": "preflight_method",
}


class Head(msgspec.Struct, gc=False):
    """What the entry reads of a request's headers; None: not sent."""

    authorization: bytes | None = None
    authorizations: int = 0
    cookies: bytes | None = None  # several headers joined, as RFC 9113, section 8.2.3, has it
    origin: bytes | None = None
    fetch_site: bytes | None = None
    content_length: bytes | None = None
    content_type: bytes | None = None
    request_id: bytes | None = None
    forwarded_for: list[bytes] | None = None
    preflight_method: bytes | None = None


def read_head(headers: RawHeaders) -> Head:
    """Read `headers`, whose names are in lower case, as ASGI has it."""
    head = Head()
    for name, value in headers:
        if name in _FIELDS:  # most are not: one look-up each
            _note(head, name, value)
    return head


def _note(head: Head, name: bytes, value: bytes) -> None:
    if name == b"authorization":
        head.authorization = value
        head.authorizations += 1
    elif name == b"cookie":
        head.cookies = value if head.cookies is None else head.cookies + b"; " + value
    elif name == b"x-forwarded-for":
        head.forwarded_for = [*(head.forwarded_for or ()), value]
    elif name == b"origin":
        head.origin = value if head.origin is None else head.origin + b", " + value  # two are nobody's
    elif name == b"sec-fetch-site":
        head.fetch_site = value if head.fetch_site is None else head.fetch_site + b", " + value
    elif name != b"x-request-id" or is_sane_id(value):
        setattr(head, _FIELDS[name], value)


def is_sane_id(value: bytes) -> bool:
    """Up to 128 visible ASCII characters."""
    return 0 < len(value) <= MAX_REQUEST_ID and value.isascii() and all(32 < c < 127 for c in value)


class CookieReader:
    """Reads one cookie. RFC 6265, section 5.4."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._start = name + b"="

    def values(self, cookies: bytes) -> list[bytes]:
        """Every value of it, in order."""
        at = cookies.find(self._start)
        if (at == 0 or (at > 1 and cookies[at - 2 : at] == b"; ")) and cookies.count(self._name) == 1:
            at += len(self._start)  # the usual form: it is there once, and has no look-alike
            end = cookies.find(b";", at)
            return [cookies[at : end if end >= 0 else None].strip(b' \t"')]
        if self._name not in cookies:
            return []
        parted = [pair.partition(b"=") for pair in cookies.split(b";")]
        return [value.strip(b' \t"') for key, sep, value in parted if sep and key.strip() == self._name]
