"""The doors of every room, on its services: which mount has which endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from starlette.types import ASGIApp

from generalbots_api.admin.routes import AdminRoutes
from generalbots_api.admin.service import Admin
from generalbots_api.auth.routes import AuthRoutes
from generalbots_api.auth.service import Limits, Logins
from generalbots_api.batch.routes import BatchRoutes
from generalbots_api.bots.routes import BotRoutes
from generalbots_api.console.routes import ConsoleRoutes
from generalbots_api.conversations.events import Delta, MessageFrame, SessionUpdated, Snapshot, Started, Typing
from generalbots_api.conversations.routes import ConversationRoutes
from generalbots_api.groups.routes import GroupRoutes
from generalbots_api.groups.service import Groups
from generalbots_api.health.routes import HealthRoutes
from generalbots_api.oversight import AllProbes, Figures
from generalbots_api.services import Services
from generalbots_api.sessions.routes import SessionRoutes
from generalbots_api.sse.routes import EventRoutes
from generalbots_api.sse.service import EventStreams
from generalbots_api.users.routes import OwnSessionRoutes, UserRoutes
from generalbots_api.users.service import Users
from generalbots_api.web.cursors import Cursors
from generalbots_api.web.endpoint import Endpoint
from generalbots_api.web.openapi import asyncapi_document, openapi_document
from generalbots_api.ws.model import ClientFrame, PingFrame, PongFrame, ServerFrame
from generalbots_api.ws.routes import ChatRoutes


@dataclass(frozen=True, slots=True)
class Doors:
    """Makes the endpoints of each mount; the name of a mount stands with its prefix."""

    services: Services
    app: ASGIApp  # all of this, for the requests within a batch

    def mounts(self) -> dict[str, tuple[str, list[Endpoint]]]:
        own = self.services
        sessions = SessionRoutes(own.chat.bot_sessions, own.chat.current_bots, own.logouts, own.cookies, own.clock)
        found = {
            "auth": ("/auth", self._auth_endpoints()),
            "sessions": ("/api/session", sessions.endpoints()),
            "users": ("/api/users", self._user_endpoints()),
            "bots": ("/api/bots", BotRoutes(own.bots).endpoints()),
            "groups": ("/api/groups", self._group_endpoints()),
            "admin": ("/api/admin", AdminRoutes(self._admin()).endpoints()),
            "conversations": ("/api/conversations", self._conversation_endpoints()),
            "batch": ("/api/batch", BatchRoutes(self.app).endpoints()),
            "ws": ("/ws", self._chat().endpoints()),
        }
        documented = [endpoint for _, endpoints in found.values() for endpoint in endpoints]
        health = self._health(documented)
        return {**found, "health": ("", health), "console": ("", ConsoleRoutes(own.settings).endpoints())}

    def _conversation_endpoints(self) -> list[Endpoint]:
        own, settings = self.services, self.services.settings
        streams = EventStreams(
            own.conversations,
            own.sockets,
            settings.socket_queue_frames,
            settings.socket_queue_bytes,
            settings.write_timeout,
        )
        events = EventRoutes(streams, own.entry.identification.asking)
        routes = ConversationRoutes(own.conversations, own.chat.reading, Cursors(settings.keys), events.turn)
        return [*routes.endpoints(), *events.endpoints()]

    def _chat(self) -> ChatRoutes:
        own = self.services
        return ChatRoutes(own.conversations, own.sockets, own.spend, own.login_sessions.find, own.clock, own.settings)

    def _admin(self) -> Admin:
        own = self.services
        started = own.clock.now()
        probes = AllProbes(own.storage, own.directory, own.limiter, own.bus, own.bots, own.settings.limiter_failure)
        figures = Figures(
            own.meter,
            own.storage.logins,
            own.sockets,
            own.turns,
            own.lag,
            own.clock,
            own.idle_timeout,
            started.timestamp(),
        )
        return Admin(own, own.admin_roles, probes, figures, own.clock, started, own.parts.version)

    def _auth_endpoints(self) -> list[Endpoint]:
        """None where the host brings its own login: there is nothing here to log in to."""
        directory, vault, logouts = self.services.directory, self.services.vault, self.services.logouts
        if directory is None or vault is None or logouts is None:
            return []
        settings, storage = self.services.settings, self.services.storage
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
            self.services.clock,
            limits,
            self.services.login_replaced,
            self.services.newsroom.groups_settle,
        )
        return AuthRoutes(logins, logouts, self.services.cookies, settings).endpoints()

    def _user_endpoints(self) -> list[Endpoint]:
        """Of the Directory's users; a host that brings its own login knows its users and their sessions itself."""
        own = self.services
        if own.directory is None or own.logouts is None:
            return []
        profile = UserRoutes(Users(own.directory, own.calls)).endpoints()
        return [*profile, *OwnSessionRoutes(own.logouts, own.cookies, own.idle_timeout).endpoints()]

    def _group_endpoints(self) -> list[Endpoint]:
        own = self.services
        if own.directory is None:
            return []
        groups = Groups(own.directory, own.calls, own, own.admin_roles, own.newsroom.groups_changed)
        return GroupRoutes(groups).endpoints()

    def _health(self, documented: list[Endpoint]) -> list[Endpoint]:
        """Health, and the documents of everything, itself included."""
        own = self.services
        endpoints: list[Endpoint] = []

        def openapi() -> bytes:
            return openapi_document(
                [*documented, *endpoints],
                title="General Bots API",
                version=own.parts.version,
                server=own.settings.public_url or "/",
            )

        endpoints += HealthRoutes(own.clock, own.check_ready, openapi, self._asyncapi).endpoints()
        return endpoints

    def _asyncapi(self) -> bytes:
        return asyncapi_document(
            list(get_args(ClientFrame)),
            [
                MessageFrame,
                Started,
                Delta,
                Snapshot,
                SessionUpdated,
                Typing,
                *get_args(ServerFrame),
                PingFrame,
                PongFrame,
            ],
            title="General Bots API: chat",
            version=self.services.parts.version,
            path="/ws",
        )
