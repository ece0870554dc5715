"""Mounts: parts of the API as Starlette routes, each complete in itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, compile_path, replace_params
from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.web.endpoint import Endpoint, Found, RouteTable
from generalbots_api.web.entry import Entry
from generalbots_api.web.paths import plain_prefix, route_path
from generalbots_api.web.sockets import SocketEntry

FOUND = "gb.found"


class Mount(BaseRoute):
    """One room of the API, for `Starlette(routes=[...])` and FastAPI's `router.routes`.

    It answers the paths of its endpoints, and leaves every other path to its
    siblings, also where they share a prefix. It brings its own errors,
    identity and limits, and is at the spec's paths unless `at` moves it.
    """

    def __init__(self, name: str, base: str, endpoints: list[Endpoint], entry: Entry, sockets: SocketEntry) -> None:
        self.name = name
        self.path = base
        self.table = RouteTable(endpoints)
        self._entry = entry
        self._sockets = sockets

    def at(self, prefix: str) -> Mount:
        """The same mount with `prefix` in place of its own.

        Raises:
            ValueError: `prefix` does not begin with a slash, or ends with one.
        """
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ValueError(f"prefix: {prefix!r} must begin with a slash and not end with one")
        moved = [endpoint.moved(self.path, prefix) for endpoint in self.table.endpoints]
        return Mount(self.name, prefix, moved, self._entry, self._sockets)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A full match for every known path, whatever the method: its 405 is ours to give."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        found = self.table.at(scope)
        if found is None:
            return Match.NONE, {}
        return Match.FULL, {
            "endpoint": self,
            FOUND: found,
            "path_params": {**scope.get("path_params", {}), **found.params},
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        found: Found | None = scope.get(FOUND) or self.table.at(scope)
        if scope["type"] == "websocket":
            await self._sockets.answer(scope, receive, send, found)
        else:
            await self._entry.answer(scope, receive, send, found)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """`auth:login` is the path of the handler `login` in the mount `auth`."""
        for endpoint in self.table.endpoints:
            _, path_format, convertors = compile_path(endpoint.path)
            if name == f"{self.name}:{endpoint.name}" and convertors.keys() == path_params.keys():
                path, _ = replace_params(path_format, convertors, dict(path_params))
                return URLPath(path=path, protocol="websocket" if endpoint.method == "WEBSOCKET" else "http")
        raise NoMatchFound(name, path_params)


class Prefixed(BaseRoute):
    """A whole app below a prefix, the bare prefix included, which a plain `Mount` answers with a redirect.

    At the root it takes the paths that it knows, and of the rest what none of its siblings takes.

    Raises:
        ValueError: `prefix` does not begin with a slash.
    """

    def __init__(self, prefix: str, app: ASGIApp, mounts: Sequence[Mount]) -> None:
        self.path = plain_prefix(prefix)
        self.app = app
        self.mounts = mounts

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        path = route_path(scope)
        if path != self.path and not path.startswith(self.path + "/"):
            return Match.NONE, {}
        root = scope.get("root_path", "").rstrip("/")
        child = {"app_root_path": scope.get("app_root_path", root), "root_path": root + self.path, "endpoint": self.app}
        is_ours = self.path != "" or any(mount.table.find(path) for mount in self.mounts)
        return Match.FULL if is_ours else Match.PARTIAL, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The names of the mounts, below the prefix."""
        for mount in self.mounts:
            with suppress(NoMatchFound):
                url = mount.url_path_for(name, **path_params)
                return URLPath(path=self.path + url, protocol=url.protocol)
        raise NoMatchFound(name, path_params)
