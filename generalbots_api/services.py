"""The services of every room, wired by hand from the settings and the backends."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

from generalbots_api.admin.measuring import LoopLag
from generalbots_api.auth.endings import Endings
from generalbots_api.auth.grants import GrantKeeper
from generalbots_api.auth.identity import LoginSessions, caller_of
from generalbots_api.auth.logout import Logouts
from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import Vault
from generalbots_api.auth.renewals import Renewals
from generalbots_api.auth.revocations import Revocations
from generalbots_api.auth.standing import CallsAsCaller, Standings
from generalbots_api.bots.ports import BotCatalog
from generalbots_api.bots.service import Bots
from generalbots_api.bus import Bus
from generalbots_api.caller import Caller
from generalbots_api.chat import Chat
from generalbots_api.clock import Clock
from generalbots_api.directory import Directory
from generalbots_api.errors import ApiError, Unauthorized, Unavailable
from generalbots_api.limits.model import Decision, Quota
from generalbots_api.limits.ports import Limiter
from generalbots_api.limits.service import RateLimits
from generalbots_api.news import Newsroom
from generalbots_api.settings import Settings
from generalbots_api.storage import Storage
from generalbots_api.web.address import Addresses
from generalbots_api.web.cookies import Cookies
from generalbots_api.web.cors import Cors
from generalbots_api.web.counting import Counting, too_many
from generalbots_api.web.entry import Entry
from generalbots_api.web.identity import Authenticate, Identification
from generalbots_api.web.lifespan import Lifespan
from generalbots_api.web.meter import Meter
from generalbots_api.web.origin import OriginPolicy
from generalbots_api.web.rate_headers import RateHeaders
from generalbots_api.web.request import Reading
from generalbots_api.web.sockets import SocketEntry
from generalbots_api.web.visit import Visits
from generalbots_api.ws.model import Rate
from generalbots_api.ws.service import Sockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a `GeneralBots` is made of."""

    settings: Settings
    storage: Storage
    directory: Directory | None
    catalog: BotCatalog
    limiter: Limiter
    bus: Bus
    authenticate: Authenticate | None
    clock: Clock
    lifespan: Lifespan
    version: str


class Services:
    """One of each service, in the order in which they need each other."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.settings, self.storage, self.directory = parts.settings, parts.storage, parts.directory
        self.bus, self.clock, self.limiter = parts.bus, parts.clock, parts.limiter
        self.lifespan = parts.lifespan
        self.admin_roles = frozenset(self.settings.admin_roles)
        self.idle_timeout = timedelta(seconds=self.settings.session_idle_timeout)
        self.newsroom = Newsroom(self.bus, self.storage.logins, self.clock)
        self.meter = Meter()
        self.lag = LoopLag()
        self.bots = Bots(parts.catalog, self.clock)
        self._build_logins()
        self._build_conversations()
        self._build_entry(parts.authenticate)
        self._build_sockets()

    def _build_logins(self) -> None:
        settings, storage, directory = self.settings, self.storage, self.directory
        self.vault: Vault | None = new_vault(settings) if directory is not None else None
        self.endings = Endings(storage.logins, self.newsroom.login_ended)
        self.revocations = None
        if directory is not None and self.vault is not None:
            self.revocations = Revocations(storage.revocations, directory, self.vault, self.clock)
        renewals = Renewals(
            storage.logins,
            storage.leases,
            directory,
            self.vault,
            self.clock,
            self.endings.over,
            self._revoke_later,
        )
        self.grants = GrantKeeper(storage.logins, renewals, self.vault, self.clock, self.endings.over)
        max_age = timedelta(seconds=settings.standing_max_age)
        background = self.lifespan.background
        self.standings = Standings(directory, storage.logins, self.grants, self.endings, max_age, background)
        self.login_sessions = LoginSessions(
            storage.logins, self.standings, self.clock, self.idle_timeout, settings.session_cache
        )
        self.calls = CallsAsCaller(self.grants)
        self.cookies = Cookies(settings, self.clock)
        self.logouts = self._new_logouts()

    def _new_logouts(self) -> Logouts | None:
        if self.directory is None or self.vault is None or self.revocations is None:
            return None
        return Logouts(
            logins=self.storage.logins,
            seen_tokens=self.storage.seen_tokens,
            provider=self.directory,
            grants=self.directory,
            vault=self.vault,
            revocations=self.revocations,
            endings=self.endings,
            clock=self.clock,
            idle_timeout=self.idle_timeout,
        )

    async def _revoke_later(self, login: Login) -> None:
        if self.revocations is not None:
            await self.revocations.later(login)

    async def login_replaced(self, login: Login) -> None:
        """A login that made room for a newer one: its sockets close, its tokens are taken back behind the scenes."""
        await self.newsroom.login_ended(login)
        await self._revoke_later(login)

    def _build_conversations(self) -> None:
        self.chat = Chat(
            self.settings,
            storage=self.storage,
            bus=self.bus,
            clock=self.clock,
            bots=self.bots,
            newsroom=self.newsroom,
            meter=self.meter,
            background=self.lifespan.background,
            is_draining=lambda: self.sockets.is_draining,
        )
        self.conversations, self.turns = self.chat.conversations, self.chat.turns

    def _build_entry(self, authenticate: Authenticate | None) -> None:
        settings = self.settings
        anonymous = Quota("anonymous", settings.limit_anonymous, settings.limit_window)
        user = Quota("user", settings.limit_user, settings.limit_window)
        admin = Quota("admin", settings.limit_admin, settings.limit_window)
        policy, local = settings.limiter_failure, new_local_limiter(settings)
        self.rates = RateLimits(self.limiter, anonymous, user, admin, self.admin_roles, policy, local)
        addresses = Addresses.of(settings.trusted_proxies, settings.unlimited_networks)
        cors = Cors.of(tuple(settings.cors_origins)) if settings.cors_origins is not None else None
        self.entry = Entry(
            Visits(cors, self.clock, settings.is_production),
            Identification(self.login_sessions, self.cookies.session, authenticate),
            Counting(self.rates, RateHeaders([anonymous, user, admin]), addresses),
            Reading(settings.max_body, addresses),
            OriginPolicy.of(settings),
            self.meter,
            self.lifespan,
        )
        self.socket_entry = SocketEntry(self.entry)

    def _build_sockets(self) -> None:
        settings = self.settings
        self.sockets = Sockets(
            self.clock,
            lambda token_hash, now: self.login_sessions.find(token_hash, now, is_use=False),
            lambda token_hash, now: self.login_sessions.find(token_hash, now, is_use=False, asks=False),
            settings.sockets_per_user,
            settings.max_sockets,
            settings.write_timeout,
        )

    async def confirmed(self, caller: Caller, /) -> Caller:
        """`admin.ports.FreshRoles`: the Directory's answer, no older than the settings allow for admins."""
        if caller.login_id is None:
            return caller  # the host vouches for it, at this very request
        max_age = timedelta(seconds=self.settings.admin_standing_max_age)
        try:
            login = await self.standings.confirmed(caller.login_id, self.clock.now(), max_age)
        except (Unauthorized, Unavailable):
            raise
        except ApiError:
            raise Unavailable("The roles cannot be confirmed at the moment") from None
        self.login_sessions.remember(login, self.clock.unix())
        return caller_of(login, self.idle_timeout)

    async def spend(self, caller: Caller) -> Rate:
        """Count one message of a socket against the caller's quota, and say what is left of it.

        Raises:
            RateLimited: it is used up.
        """
        now = self.clock.unix()
        return rate_of(await self.rates.take_of(caller, now), now)

    async def check_ready(self) -> None:
        """Raises:
        Unavailable: the service is stopping, or its storage does not answer.
        """
        if self.sockets.is_draining:
            raise Unavailable("The service is stopping")
        await self.storage.ping()


def rate_of(decision: Decision, now_unix: float) -> Rate:
    """Raises:
    RateLimited: the quota is used up.
    """
    if not decision.allowed:
        raise too_many(decision.wait_seconds(now_unix))
    return Rate(decision.limit, decision.remaining, math.ceil(decision.resets_unix))


def new_vault(settings: Settings) -> Vault:
    """The default vault, by name: this module knows no backend."""
    make: Callable[..., Vault] = import_module("generalbots_api.backends.jose").TokenVault
    return make(settings.keys)


def new_local_limiter(settings: Settings) -> Limiter:
    """What counts in this process while the limiter is down, by name as well."""
    make: Callable[..., Limiter] = import_module("generalbots_api.backends.memory").MemoryLimiter
    return make(max_keys=settings.limit_keys)
