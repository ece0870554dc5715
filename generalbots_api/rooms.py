"""Builds every room from the settings and the backends, and runs what works in the background."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module

import anyio

from generalbots_api.admin.measuring import LoopLag
from generalbots_api.admin.routes import AdminRoutes
from generalbots_api.admin.service import Admin
from generalbots_api.auth.grants import GrantKeeper
from generalbots_api.auth.identity import LoginSessions, caller_of
from generalbots_api.auth.logout import Logouts
from generalbots_api.auth.ports import Vault
from generalbots_api.auth.routes import AuthRoutes
from generalbots_api.auth.service import Limits, Logins
from generalbots_api.auth.standing import CallsAsCaller, Standings
from generalbots_api.bots.ports import BotCatalog
from generalbots_api.bots.routes import BotRoutes
from generalbots_api.bots.service import Bots
from generalbots_api.bus import Bus
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.console.routes import ConsoleRoutes
from generalbots_api.conversations.answering import Answering
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.routes import ConversationRoutes
from generalbots_api.conversations.service import Conversations
from generalbots_api.conversations.turns import Turns
from generalbots_api.directory import Directory
from generalbots_api.errors import BadGateway, Unavailable
from generalbots_api.groups.routes import GroupRoutes
from generalbots_api.groups.service import Groups
from generalbots_api.health.routes import HealthRoutes
from generalbots_api.limits.model import Quota
from generalbots_api.limits.ports import Limiter
from generalbots_api.limits.service import RateLimits
from generalbots_api.news import Newsroom, Readers
from generalbots_api.oversight import AllProbes, Figures
from generalbots_api.sessions.current import CurrentBots
from generalbots_api.sessions.routes import SessionRoutes
from generalbots_api.sessions.service import BotSessions
from generalbots_api.settings import Settings
from generalbots_api.storage import Storage
from generalbots_api.users.routes import UserRoutes
from generalbots_api.users.service import Users
from generalbots_api.web.address import Addresses
from generalbots_api.web.cookies import Cookies
from generalbots_api.web.cors import Cors
from generalbots_api.web.endpoint import Endpoint
from generalbots_api.web.entry import Entry, too_many
from generalbots_api.web.identity import Authenticate, Identification
from generalbots_api.web.lifespan import Lifespan
from generalbots_api.web.meter import Meter
from generalbots_api.web.openapi import asyncapi_document, openapi_document
from generalbots_api.web.origin import OriginPolicy
from generalbots_api.web.rate_headers import RateHeaders
from generalbots_api.web.sockets import SocketEntry
from generalbots_api.ws.model import ClientFrame, ErrorFrame, MessageFrame
from generalbots_api.ws.routes import ChatRoutes
from generalbots_api.ws.service import Sockets

log = logging.getLogger("generalbots_api")

PRUNE_SECONDS = 60


class Rooms:
    """Every room of one `GeneralBots`, wired."""

    def __init__(
        self,
        *,
        settings: Settings,
        storage: Storage,
        directory: Directory | None,
        catalog: BotCatalog,
        limiter: Limiter,
        bus: Bus,
        authenticate: Authenticate | None,
        clock: Clock,
        lifespan: Lifespan,
        version: str,
    ) -> None:
        self.settings, self.storage, self.directory, self.clock = settings, storage, directory, clock
        self.bus, self.limiter, self.lifespan, self.version = bus, limiter, lifespan, version
        self.admin_roles = frozenset(settings.admin_roles)
        self.idle_timeout = timedelta(seconds=settings.session_idle_timeout)
        self.newsroom = Newsroom(bus, storage.logins)
        self.meter = Meter()
        self.lag = LoopLag()
        self.bots = Bots(catalog, clock)
        self._build_logins()
        self._build_conversations()
        self._build_entry(authenticate)
        self._build_sockets()
        self._routes = self._build_routes()

    def _build_logins(self) -> None:
        settings, storage, directory = self.settings, self.storage, self.directory
        self.vault: Vault | None = new_vault(settings) if directory is not None else None
        self.grants = GrantKeeper(storage.logins, directory, self.vault, self.clock, self.newsroom.login_ended)
        self.standings = Standings(directory, storage.logins, self.grants, timedelta(seconds=settings.standing_max_age))
        self.login_sessions = LoginSessions(
            storage.logins, self.standings, self.clock, self.idle_timeout, settings.session_cache
        )
        self.calls = CallsAsCaller(self.grants)
        self.cookies = Cookies(settings, self.clock)
        self.logouts = None
        if directory is not None:
            self.logouts = Logouts(
                storage.logins,
                storage.seen_tokens,
                directory,
                directory,
                self.grants,
                self.clock,
                self.lifespan.background,
                self.newsroom.login_ended,
            )

    def _build_conversations(self) -> None:
        settings, storage = self.settings, self.storage
        self.bot_sessions = BotSessions(
            storage.bot_sessions,
            self.bots,
            self.clock,
            timedelta(seconds=settings.bot_session_lifetime),
            settings.bot_sessions_per_user,
            self.newsroom.bot_session_changed,
        )
        self.current_bots = CurrentBots(storage.bot_sessions, settings.session_cache)
        self.feed = Feed(self.bus)
        answering = Answering(storage.log, self.feed, self.clock, settings.turn_timeout, settings.reply_max_chars)
        self.turns = Turns(answering.answer, self.lifespan.background, settings.queued_messages)
        self.conversations = Conversations(
            self.bot_sessions,
            self.bots,
            storage.log,
            self.feed,
            self.turns,
            self.clock,
            settings.message_max_chars,
            self.meter.count_message,
        )

    def _build_entry(self, authenticate: Authenticate | None) -> None:
        settings = self.settings
        anonymous = Quota("anonymous", settings.limit_anonymous, settings.limit_window)
        user = Quota("user", settings.limit_user, settings.limit_window)
        admin = Quota("admin", settings.limit_admin, settings.limit_window)
        is_open = settings.limiter_failure == "open"
        self.rates = RateLimits(self.limiter, anonymous, user, admin, self.admin_roles, is_open)
        origins = settings.cors_origins
        self.entry = Entry(
            Identification(self.login_sessions, self.cookies.session_name, authenticate),
            self.rates,
            RateHeaders([anonymous, user, admin]),
            Addresses.of(settings.trusted_proxies, settings.unlimited_networks),
            OriginPolicy.of(settings),
            Cors.of(tuple(origins)) if origins is not None else None,
            self.clock,
            self.meter,
            settings.max_body,
            settings.is_production,
            self.lifespan.ready,
        )
        self.socket_entry = SocketEntry(self.entry)

    def _build_sockets(self) -> None:
        settings = self.settings
        self.sockets = Sockets(
            self.clock,
            lambda token_hash, now: self.login_sessions.find(token_hash, now, is_use=False),
            settings.sockets_per_user,
            settings.max_sockets,
        )

    def _build_routes(self) -> dict[str, tuple[str, list[Endpoint]]]:
        settings, directory = self.settings, self.directory
        started = self.clock.now()
        probes = AllProbes(self.storage, directory, self.limiter, self.bus, self.bots)
        figures = Figures(
            self.meter,
            self.storage.logins,
            self.sockets,
            self.turns,
            self.lag,
            self.clock,
            self.idle_timeout,
            started.timestamp(),
        )
        admin = Admin(self, self.admin_roles, probes, figures, self.clock, started, self.version)
        chat = ChatRoutes(self.conversations, self.sockets, self.spend, self.login_sessions.find, self.clock, settings)
        sessions = SessionRoutes(self.bot_sessions, self.current_bots, self.logouts, self.cookies, self.clock)
        return {
            "auth": ("/auth", self._auth_endpoints()),
            "sessions": ("/api/session", sessions.endpoints()),
            "users": ("/api/users", self._user_endpoints()),
            "bots": ("/api/bots", BotRoutes(self.bots).endpoints()),
            "groups": ("/api/groups", self._group_endpoints()),
            "admin": ("/api/admin", AdminRoutes(admin).endpoints()),
            "conversations": ("/api/conversations", ConversationRoutes(self.conversations).endpoints()),
            "ws": ("/ws", chat.endpoints()),
            "health": (
                "",
                HealthRoutes(self.clock, self.check_ready, self.openapi, self.asyncapi).endpoints(),
            ),
            "console": ("", ConsoleRoutes().endpoints()),
        }

    def _auth_endpoints(self) -> list[Endpoint]:
        """None where the host brings its own login: there is nothing here to log in to."""
        directory, vault, logouts = self.directory, self.vault, self.logouts
        if directory is None or vault is None or logouts is None:
            return []
        settings, storage = self.settings, self.storage
        limits = Limits(
            pending_timeout=timedelta(seconds=settings.login_timeout),
            pending_keep=settings.max_pending_logins,
            lifetime=timedelta(seconds=settings.session_lifetime),
            per_user=settings.sessions_per_user,
        )
        logins = Logins(
            directory,
            directory,
            storage.pending_logins,
            storage.logins,
            vault,
            self.clock,
            limits,
            self.newsroom.login_ended,
        )
        return AuthRoutes(logins, logouts, self.cookies, settings).endpoints()

    def _user_endpoints(self) -> list[Endpoint]:
        if self.directory is None:
            return []
        return UserRoutes(Users(self.directory, self.calls)).endpoints()

    def _group_endpoints(self) -> list[Endpoint]:
        if self.directory is None:
            return []
        groups = Groups(self.directory, self.calls, self.admin_roles, self.newsroom.rights_changed)
        return GroupRoutes(groups).endpoints()

    @property
    def bases(self) -> dict[str, str]:
        """The prefix of each mount."""
        return {name: base for name, (base, _) in self._routes.items()}

    def endpoints_of(self, name: str) -> list[Endpoint]:
        return self._routes[name][1]

    def endpoints(self) -> list[Endpoint]:
        return [endpoint for _, endpoints in self._routes.values() for endpoint in endpoints]

    async def confirmed(self, caller: Caller, /) -> Caller:
        """`admin.ports.FreshRoles`: the Directory's answer, no older than the settings allow for admins."""
        if caller.login_id is None:
            return caller  # the host vouches for it, at this very request
        max_age = timedelta(seconds=self.settings.admin_standing_max_age)
        try:
            login = await self.standings.confirmed(caller.login_id, self.clock.now(), max_age)
        except BadGateway:
            raise Unavailable("The roles cannot be confirmed at the moment") from None
        self.login_sessions.remember(login, self.clock.unix())
        return caller_of(login, self.idle_timeout)

    async def spend(self, caller: Caller) -> None:
        """Count one message of a socket against the caller's quota.

        Raises:
            RateLimited: it is used up.
        """
        now = self.clock.unix()
        decision = await self.rates.take(caller, "", now)
        if not decision.allowed:
            raise too_many(decision, now)

    async def check_ready(self) -> None:
        if self.sockets.is_draining:
            raise Unavailable("The service is stopping")
        await self.storage.ping()

    async def drain(self) -> None:
        await self.sockets.drain()

    def openapi(self) -> bytes:
        return openapi_document(
            [one for name in self._routes if name != "console" for one in self.endpoints_of(name)],
            title="General Bots API",
            version=self.version,
            server=self.settings.public_url or "/",
        )

    def asyncapi(self) -> bytes:
        return asyncapi_document(
            [ClientFrame],
            [MessageFrame, ErrorFrame],
            title="General Bots API: chat",
            version=self.version,
            path="/ws",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What works in the background while the backends are open."""
        self.sockets.is_draining = False
        leave = Readers(self.login_sessions, self.current_bots, self.sockets).subscribe(self.bus)
        await self.conversations.recover()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.sockets.watch)
            tasks.start_soon(self.lag.watch)
            tasks.start_soon(self._prune)
            yield
            tasks.cancel_scope.cancel()
        leave()

    async def _prune(self) -> None:
        """Remove what has expired, every minute."""
        while True:
            await anyio.sleep(PRUNE_SECONDS)
            try:
                await self.prune()
            except Unavailable:
                log.exception("prune.failed")

    async def prune(self) -> None:
        now = self.clock.now()
        for login in await self.storage.logins.prune(now, self.idle_timeout):
            await self.newsroom.login_ended(login)
        await self.storage.pending_logins.prune(now)
        await self.storage.seen_tokens.prune(now)


def new_vault(settings: Settings) -> Vault:
    """The default vault, by name: this module knows no backend."""
    make: Callable[..., Vault] = import_module("generalbots_api.backends.jose").TokenVault
    return make(settings.keys)
