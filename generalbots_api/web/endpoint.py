"""What a route is: a method, a path in full, a handler, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import compile_path
from starlette.types import Scope

from generalbots_api.errors import ApiError
from generalbots_api.web.paths import route_path
from generalbots_api.web.reply import Reply
from generalbots_api.web.request import ApiRequest
from generalbots_api.web.streaming import Stream

Handler = Callable[[ApiRequest], Awaitable[Reply | Stream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Docs:
    """What the OpenAPI document says of an endpoint: the same types that decode and encode."""

    query: type | None = None
    takes: type | None = None
    gives: type | None = None
    status: int = 200
    raises: tuple[type[ApiError], ...] = ()
    also_form: bool = False
    takes_form: type | None = None  # URL-encoded only
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()  # of the request, that mean something here
    also_statuses: tuple[int, ...] = ()  # of success as well, with the same body
    also_events: bool = False  # for whoever accepts server-sent events
    is_body_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method at one path. The handler's docstring is its description.

    A public one is served without a valid session; all others answer 401.
    `method` is "WEBSOCKET" for a socket, whose handler is another kind.
    """

    method: str
    path: str
    handler: Any  # Handler, or the socket's
    docs: Docs = Docs()
    is_public: bool = False
    is_counted: bool = True  # against the quota
    is_use: bool = True  # prolongs the session

    @property
    def name(self) -> str:
        """The handler's own name, unique in its mount."""
        return str(self.handler.__name__)

    def moved(self, base: str, prefix: str) -> Endpoint:
        return replace(self, path=prefix + self.path.removeprefix(base) or "/")


@dataclass(frozen=True, slots=True)
class Found:
    """A path that is known, its parameters, and the methods that it answers."""

    methods: dict[str, Endpoint]  # HEAD wherever GET is
    params: dict[str, str]

    @property
    def allow(self) -> str:
        return ", ".join([*(m for m in self.methods if m != "WEBSOCKET"), "OPTIONS"])


class RouteTable:
    """Finds endpoints by path: a table of exact paths first, patterns after.

    A path is found with and without a trailing slash.
    """

    def __init__(self, endpoints: list[Endpoint]) -> None:
        self.endpoints = endpoints
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            by_path.setdefault(endpoint.path.rstrip("/"), {})[endpoint.method] = endpoint
        patterns = {path: methods for path, methods in by_path.items() if "{" in path}
        self._patterns = [(compile_path(path)[0], with_head(methods)) for path, methods in patterns.items()]
        self._exact: dict[str, Found] = {}
        for path, methods in by_path.items():
            if "{" not in path:
                self._exact[path] = self._exact[path + "/"] = self._merged(path, methods)

    def _merged(self, path: str, methods: dict[str, Endpoint]) -> Found:
        """A pattern may know a method that the exact path does not: DELETE /api/session/create."""
        pattern = self._by_pattern(path) or Found({}, {})
        return Found(with_head({**pattern.methods, **methods}), pattern.params)

    def at(self, scope: Scope) -> Found | None:
        """What the request is for, below whatever this is mounted in."""
        found = None if scope.get("root_path") else self._exact.get(scope["path"])  # the usual form
        return found or self.find(route_path(scope))

    def find(self, path: str) -> Found | None:
        return self._exact.get(path) or self._by_pattern(path.rstrip("/"))

    def _by_pattern(self, path: str) -> Found | None:
        if not is_text(path):
            return None  # an id that no storage could hold
        for regex, methods in self._patterns:
            match = regex.match(path)
            if match:
                return Found(methods, match.groupdict())
        return None


def with_head(methods: dict[str, Endpoint]) -> dict[str, Endpoint]:
    """HEAD, which is answered as GET is, comes last."""
    others = {method: endpoint for method, endpoint in methods.items() if method != "HEAD"}
    return {**others, "HEAD": others["GET"]} if "GET" in others else others


def is_text(path: str) -> bool:
    """Whether UTF-8 and a database can hold it: no half of a surrogate pair, no NUL."""
    try:
        return b"\x00" not in path.encode()
    except UnicodeEncodeError:
        return False
