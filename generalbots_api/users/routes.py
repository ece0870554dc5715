"""HTTP door to oneself: the profile, and where one is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from generalbots_api.auth.logout import Logouts
from generalbots_api.auth.model import Login
from generalbots_api.caller import Caller
from generalbots_api.errors import BadGateway, Conflict, InvalidRequest, Unavailable
from generalbots_api.ids import LoginId, UserId
from generalbots_api.users.model import Profile, ProfileChange
from generalbots_api.users.service import Users
from generalbots_api.web.cookies import Cookies
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import Reply, json_reply
from generalbots_api.web.request import ApiRequest


class ProfileJson(msgspec.Struct, kw_only=True):
    user_id: UserId
    id: UserId
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    display_name: str
    roles: list[str]
    created_at: datetime | None


class ChangedProfileJson(ProfileJson, kw_only=True):
    updated_fields: list[str]
    verification_required: bool


class ProfilePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Unknown fields are refused here: a client that thinks it changed its name must hear that it did not."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class LoginJson(msgspec.Struct):
    id: LoginId
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    current: bool


class LoginsJson(msgspec.Struct):
    sessions: list[LoginJson]


class EverywhereQuery(msgspec.Struct):
    keep_current: bool = False


class LoggedOutEverywhereJson(msgspec.Struct):
    success: bool
    message: str
    ended: int
    directory_revoked: bool


@dataclass(frozen=True, slots=True)
class UserRoutes:
    users: Users

    def endpoints(self) -> list[Endpoint]:
        down = (BadGateway, Unavailable)
        return [
            Endpoint(method="GET", path="/api/users/me", handler=self.me, docs=Docs(gives=ProfileJson, raises=down)),
            Endpoint(
                method="PUT",
                path="/api/users/me",
                handler=self.change,
                docs=Docs(takes=ProfilePatch, gives=ChangedProfileJson, raises=(InvalidRequest, Conflict, *down)),
            ),
        ]

    async def me(self, request: ApiRequest) -> Reply:
        """Tell the caller's profile, from the Directory Service."""
        caller = request.caller
        return json_reply(ProfileJson(**fields_of(await self.users.me(caller), caller)))

    async def change(self, request: ApiRequest) -> Reply:
        """Change the caller's profile in the Directory Service."""
        patch = await request.json(ProfilePatch)
        change = ProfileChange(email=patch.email, first_name=patch.first_name, last_name=patch.last_name)
        profile = await self.users.change(request.caller, change)
        return json_reply(
            ChangedProfileJson(
                **fields_of(profile, request.caller),
                updated_fields=change.fields,
                verification_required=change.email is not None and not profile.email_verified,
            )
        )


@dataclass(frozen=True, slots=True)
class OwnSessionRoutes:
    logouts: Logouts
    cookies: Cookies
    idle_timeout: timedelta

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(method="GET", path="/api/users/me/sessions", handler=self.sessions, docs=Docs(gives=LoginsJson)),
            Endpoint(
                method="DELETE",
                path="/api/users/me/sessions",
                handler=self.end_sessions,
                docs=Docs(query=EverywhereQuery, gives=LoggedOutEverywhereJson, raises=(InvalidRequest,)),
            ),
        ]

    async def sessions(self, request: ApiRequest) -> Reply:
        """List the caller's login sessions, newest first."""
        caller = request.caller
        return json_reply(LoginsJson([self._shown(one, caller) for one in await self.logouts.own(caller)]))

    async def end_sessions(self, request: ApiRequest) -> Reply:
        """Log out everywhere; with `keep_current` everywhere else."""
        keep = request.query(EverywhereQuery).keep_current
        out = await self.logouts.end_everywhere(request.caller, keep_current=keep)
        return json_reply(
            LoggedOutEverywhereJson(True, "Logged out everywhere", out.ended, out.directory_revoked),
            headers=[] if keep else self.cookies.end_session(),
        )

    def _shown(self, login: Login, caller: Caller) -> LoginJson:
        return LoginJson(
            login.id,
            login.created_at,
            login.last_seen_at,
            login.expires_at(self.idle_timeout),
            login.user_agent,
            login.address,
            login.id == caller.login_id,
        )


def fields_of(profile: Profile, caller: Caller) -> dict[str, Any]:
    return {
        "user_id": profile.user_id,
        "id": profile.user_id,
        "username": profile.username,
        "email": profile.email,
        "email_verified": profile.email_verified,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "display_name": profile.display_name,
        "roles": sorted(caller.roles),
        "created_at": profile.created_at,
    }
