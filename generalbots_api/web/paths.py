"""The path of a request below whatever it is mounted in."""

from __future__ import annotations

from starlette.types import Scope


def route_path(scope: Scope) -> str:
    """The path below the host's mount, with what hosts and proxies do to it undone.

    `path` holds `root_path` by ASGI's rule; a proxy that strips a prefix leaves
    it out, and some hosts hide the prefix altogether.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return path or "/"
