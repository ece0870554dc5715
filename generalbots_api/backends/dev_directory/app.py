"""The directory as an ASGI app: its routes, and the headers of all answers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from generalbots_api.backends.dev_directory import discovery
from generalbots_api.backends.dev_directory.authorize import LOGIN_PATH, Authorization
from generalbots_api.backends.dev_directory.client import is_loopback, plain_parts
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.grants import TokenEndpoint
from generalbots_api.backends.dev_directory.lever import Levers
from generalbots_api.backends.dev_directory.login_form import LoginForms
from generalbots_api.backends.dev_directory.logout import BackChannel, LogoutEndpoint
from generalbots_api.backends.dev_directory.rpc import Method
from generalbots_api.backends.dev_directory.services import Services
from generalbots_api.backends.dev_directory.services_groups import GroupService
from generalbots_api.backends.dev_directory.services_roles import AuthorizationService
from generalbots_api.backends.dev_directory.services_users import UserService
from generalbots_api.backends.dev_directory.token_uses import TokenUses

CACHEABLE = (discovery.PATH, discovery.KEYS)
NOT_LOCAL = "The development directory answers on this machine only: use localhost\n"


def methods_of(core: Core) -> dict[str, Method]:
    services = UserService(core), AuthorizationService(core), GroupService(core)
    return {name: method for service in services for name, method in service.methods().items()}


def starlette_app(core: Core, forms: LoginForms, back_channel: BackChannel, levers: Levers) -> Starlette:
    own, pages, uses = discovery.Discovery(core), Authorization(core, forms), TokenUses(core)
    logout = LogoutEndpoint(core, back_channel)
    app = Starlette(
        routes=[
            Route(discovery.PATH, own.metadata),
            Route(discovery.KEYS, own.keys),
            Route(discovery.AUTHORIZE, pages.authorize, methods=["GET", "POST"]),
            Route(LOGIN_PATH, pages.log_in, methods=["POST"]),
            Route(discovery.TOKEN, TokenEndpoint(core).token, methods=["POST"]),
            Route(discovery.REVOKE, uses.revoke, methods=["POST"]),
            Route(discovery.INTROSPECT, uses.introspect, methods=["POST"]),
            Route(discovery.USERINFO, uses.userinfo, methods=["GET", "POST"]),
            Route(discovery.END_SESSION, logout.end_session, methods=["GET", "POST"]),
            Route("/{service}/{method}", Services(levers, methods_of).call, methods=["POST"]),
        ]
    )
    app.router.redirect_slashes = False
    return app


@dataclass(slots=True)
class Front:
    """Before the routes: may be down, speaks only to this machine, keeps answers out of caches."""

    app: ASGIApp
    is_down: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = with_headers(scope, send)
        if self.is_down:
            await HTMLResponse("<h1>503 Service Unavailable</h1>", 503)(scope, receive, send)
        elif not has_local_host(scope):
            await PlainTextResponse(NOT_LOCAL, 400)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def has_local_host(scope: Scope) -> bool:
    """Against pages elsewhere that rebind their own name to this machine."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    parts = [plain_parts(f"http://{host}/") for host in hosts]
    return all(one is not None and is_loopback(one.hostname or "") for one in parts)


def with_headers(scope: Scope, send: Send) -> Send:
    is_cacheable = scope["path"].removeprefix(scope.get("root_path", "")) in CACHEABLE

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            if not is_cacheable:
                headers["Cache-Control"] = "no-store"
                headers["Pragma"] = "no-cache"
        await send(message)

    return wrapped
