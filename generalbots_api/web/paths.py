"""The path of a request below whatever it is mounted in."""

from __future__ import annotations

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """The path below the host's mount, with what hosts and proxies do to it undone.

    `path` holds `root_path` by ASGI's rule; a proxy that strips a prefix leaves
    it out, and only what the host's own mounts added to `root_path` is there.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if not root:
        return path or "/"
    if not is_at(path, root):
        root = root.removeprefix(scope.get("app_root_path", "").rstrip("/"))
    return (path[len(root) :] if is_at(path, root) else path) or "/"


def is_at(path: str, prefix: str) -> bool:
    """Whether `path` is the prefix, or below it."""
    return path == prefix or path.startswith(prefix + "/")


def plain_prefix(prefix: str) -> str:
    """A prefix as it is put before paths: "" or `/bots`.

    Raises:
        ValueError: it does not begin with a slash.
    """
    if prefix and not prefix.startswith("/"):
        raise ValueError(f"prefix: {prefix!r} must begin with a slash")
    return prefix.rstrip("/")
