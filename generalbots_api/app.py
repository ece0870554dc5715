"""Wires every room by hand, and gives the result as an ASGI app and as mounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

import anyio
from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.bots.listing import BotList
from generalbots_api.bots.ports import Bot, BotCatalog
from generalbots_api.bus import Bus
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.directory import Directory
from generalbots_api.doors import Doors
from generalbots_api.limits.ports import Limiter
from generalbots_api.services import Parts, Services
from generalbots_api.settings import Settings
from generalbots_api.storage import CarriesNews, Storage
from generalbots_api.upkeep import Upkeep
from generalbots_api.version import __version__
from generalbots_api.web.endpoint import RouteTable
from generalbots_api.web.identity import Authenticate
from generalbots_api.web.lifespan import Lifespan
from generalbots_api.web.mounts import Mount, Prefixed
from generalbots_api.web.scopes import answer_lifespan, with_lifespan, with_prefix


class GeneralBots:
    """The General Bots API: an ASGI app, and the same in parts.

    Nothing is opened until the lifespan runs. Two of them in one process know
    nothing of each other.

    Raises:
        ValueError: settings and backends do not go together; the message names the field.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        storage: Storage,
        directory: Directory | None = None,
        bots: Sequence[Bot] | BotCatalog = (),
        limiter: Limiter | None = None,
        bus: Bus | None = None,
        authenticate: Authenticate | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_directory(settings, directory, authenticate)
        self.settings = settings
        self._lifespan = Lifespan(self._open_all)
        parts = Parts(
            settings=settings,
            storage=storage,
            directory=directory,
            catalog=BotList(tuple(bots), settings.turn_grace) if isinstance(bots, Sequence) else bots,
            limiter=limiter or named(storage.default_limiter, max_keys=settings.limit_keys),
            bus=bus or bus_of(storage),
            authenticate=authenticate,
            clock=clock or SystemClock(),
            lifespan=self._lifespan,
            version=__version__,
        )
        self._services = Services(parts)
        self._build_mounts()

    def _build_mounts(self) -> None:
        entry, sockets = self._services.entry, self._services.socket_entry
        doors = Doors(self._services, self).mounts()
        mounts = {name: Mount(name, base, endpoints, entry, sockets) for name, (base, endpoints) in doors.items()}
        self.auth = mounts["auth"]
        self.sessions = mounts["sessions"]
        self.users = mounts["users"]
        self.bots = mounts["bots"]
        self.groups = mounts["groups"]
        self.admin = mounts["admin"]
        self.conversations = mounts["conversations"]
        self.batch = mounts["batch"]
        self.ws = mounts["ws"]
        self.health = mounts["health"]
        self.console = mounts["console"]
        every = [endpoint for _, endpoints in doors.values() for endpoint in endpoints]
        self._table = RouteTable(every)
        self._answer = {"http": entry.answer, "websocket": sockets.answer}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer.get(scope["type"])
        if answer is None:
            await answer_lifespan(self.lifespan, receive, send)
        else:
            await answer(scope, receive, send, self._table.at(scope))

    @property
    def mounts(self) -> list[Mount]:
        """Every mount but the console, for `Starlette(routes=...)`."""
        return [
            self.auth,
            self.sessions,
            self.users,
            self.bots,
            self.groups,
            self.admin,
            self.conversations,
            self.batch,
            self.ws,
            self.health,
        ]

    def lifespan(self, app: object = None) -> AbstractAsyncContextManager[None]:
        """Open the backends for as long as the context lasts. Reference-counted.

        Raises:
            StorageError: the storage cannot be opened.
        """
        return self._lifespan.hold()

    def install(self, app: Any, prefix: str = "") -> None:
        """Mount everything in a Starlette or FastAPI app at `prefix`; the lifespan runs with the app's own."""
        router = app.router
        router.routes.append(Prefixed(prefix, self, [*self.mounts, self.console]))
        router.lifespan_context = with_lifespan(router.lifespan_context, self.lifespan)

    def wrap(self, app: ASGIApp, prefix: str = "") -> ASGIApp:
        """An ASGI app that answers below `prefix` itself and leaves the rest to `app`, whatever it is."""
        return with_prefix(self, app, prefix, self.lifespan)

    async def drain(self, grace: float = 5) -> None:
        """Stop taking work: `/ready` answers 503, sockets are told to come back elsewhere and closed (1012).

        Returns when they are gone and the running replies are stored, after
        `grace` seconds at most; what is running then is stored as interrupted
        when the lifespan ends.
        """
        with anyio.move_on_after(grace):
            await self._services.sockets.drain()
            await self._services.turns.idle()

    @asynccontextmanager
    async def _open_all(self) -> AsyncIterator[None]:
        parts = self._services.parts
        async with AsyncExitStack() as stack:
            for backend in (parts.storage, parts.bus, parts.limiter, parts.directory):
                if backend is not None:
                    await stack.enter_async_context(backend)
            if isinstance(parts.catalog, AbstractAsyncContextManager):
                await stack.enter_async_context(parts.catalog)
            await stack.enter_async_context(Upkeep(self._services).running())
            yield


def check_directory(settings: Settings, directory: Directory | None, authenticate: Authenticate | None) -> None:
    """Raises:
    ValueError: nobody could log in, or a directory that is not fit for production.
    """
    if directory is None and authenticate is None:
        raise ValueError("directory: give a directory, or authenticate= for a login of your own")
    if directory is None or not settings.is_production:
        return
    if directory.is_for_development:
        raise ValueError("directory: the development directory must not be used in production")
    if not directory.issuer.startswith("https://"):
        raise ValueError("directory: the issuer must be https in production")


def bus_of(storage: Storage) -> Bus:
    """The storage's own, or the one that it names."""
    if isinstance(storage, CarriesNews):
        return storage.new_bus()
    bus: Bus = named(storage.default_bus)
    return bus


def named(path: str, **options: Any) -> Any:
    """What `module:attribute` makes: a default of the storage, so that this module knows no backend."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)(**options)
