"""Where a browser may be sent after a login: this origin, or a listed one."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

MAX_LENGTH = 2_048


def safe_target(wanted: str | None, default: str, origins: Iterable[str], *, auth_path: str = "/auth") -> str:
    """`wanted` if it is safe, else `default`. Source: contract, "Safe redirect".

    `auth_path` is where the browser sees the login endpoints: no target lies below it.
    """
    if wanted and (is_safe_path(wanted, auth_path) or is_listed(wanted, origins)):
        return wanted
    return default


def is_safe_path(path: str, auth_path: str = "/auth") -> bool:
    """Whether a browser stays on this origin, also after one and two percent-decodings."""
    once = unquote(path)
    forms = (path, once, unquote(once))
    return len(path) <= MAX_LENGTH and path.isascii() and all(_is_local(form, auth_path) for form in forms)


def is_listed(url: str, origins: Iterable[str]) -> bool:
    if len(url) > MAX_LENGTH or not url.isascii() or _has_control(url) or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False
    return origin in set(origins)


def _is_local(path: str, auth_path: str) -> bool:
    if not path.startswith("/") or "\\" in path or _has_control(path):
        return False
    resolved = path.partition("?")[0].partition("#")[0]
    if "//" in resolved or {".", ".."} & set(resolved.split("/")):
        return False
    return not (resolved + "/").startswith((auth_path + "/", "/auth/"))


def _has_control(text: str) -> bool:
    return any(ord(c) <= 32 or ord(c) == 127 for c in text)
