"""HTTP door to logging in and out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from generalbots_api.auth.logout import Logouts
from generalbots_api.auth.model import AuthorizationAnswer
from generalbots_api.auth.redirects import safe_target
from generalbots_api.auth.service import Device, Logins
from generalbots_api.errors import (
    BadGateway,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)
from generalbots_api.ids import UserId
from generalbots_api.settings import Settings
from generalbots_api.web.cookies import Cookies
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.identity import credentials_of
from generalbots_api.web.origin import public_base
from generalbots_api.web.reply import Reply, json_reply, redirect
from generalbots_api.web.request import ApiRequest

MAX_PARAMETER = 4_096


class LoginQuery(msgspec.Struct):
    redirect: str | None = None


class CallbackQuery(msgspec.Struct):
    state: str | None = None
    code: str | None = None
    iss: str | None = None
    error: str | None = None


class LogoutForm(msgspec.Struct):
    logout_token: str


class Validity(msgspec.Struct):
    valid: bool
    user_id: UserId | None
    expires_at: datetime | None


class LoggedOutJson(msgspec.Struct):
    success: bool
    message: str
    directory_revoked: bool
    logout_url: str | None


@dataclass(frozen=True, slots=True)
class AuthRoutes:
    logins: Logins
    logouts: Logouts
    cookies: Cookies
    settings: Settings

    def endpoints(self) -> list[Endpoint]:
        down = (BadGateway, Unavailable)
        return [
            Endpoint(
                method="GET",
                path="/auth/login",
                handler=self.login,
                is_public=True,
                docs=Docs(query=LoginQuery, status=302, raises=(Unavailable,)),
            ),
            Endpoint(
                method="GET",
                path="/auth/callback",
                handler=self.callback,
                is_public=True,
                docs=Docs(query=CallbackQuery, status=303, raises=(InvalidRequest, Unauthorized, *down)),
            ),
            Endpoint(method="POST", path="/auth/logout", handler=self.logout, docs=Docs(gives=LoggedOutJson)),
            Endpoint(
                method="GET",
                path="/auth/validate",
                handler=self.validate,
                is_public=True,
                is_use=False,
                docs=Docs(gives=Validity, raises=(Unauthorized,)),
            ),
            Endpoint(
                method="POST",
                path="/auth/backchannel-logout",
                handler=self.backchannel_logout,
                is_public=True,
                docs=Docs(takes_form=LogoutForm, raises=(InvalidRequest,)),
            ),
        ]

    async def login(self, request: ApiRequest) -> Reply:
        """Send the browser to the Directory Service to log in."""
        base = public_base(self.settings, request.scope)
        mount = mount_path(request, "/login")
        wanted = wanted_target(request)
        prefix = base.partition("://")[2].partition("/")
        auth_path = prefix[1] + prefix[2] + mount
        target = safe_target(wanted, self.settings.after_login, self.settings.redirect_origins, auth_path=auth_path)
        begun = await self.logins.begin(self.cookies.browser(request), f"{base}{mount}/callback", target)
        return redirect(302, begun.url, self.cookies.begin_login(request, begun.state, begun.browser))

    async def callback(self, request: ApiRequest) -> Reply:
        """Take the browser back from the Directory Service, logged in."""
        query = request.query(CallbackQuery)
        if not query.state or any(len(value) > MAX_PARAMETER for value in request.query_values().values()):
            raise InvalidRequest("This is no answer to a login of ours", fields={"state": "missing or too long"})
        answer = AuthorizationAnswer(code=query.code, state=query.state, issuer=query.iss, error=query.error)
        browser = self.cookies.login_browser(request, query.state)
        device = Device(user_agent=request.headers.get("user-agent", ""), address=request.address)
        token, login, target = await self.logins.finish(answer, browser, device)
        old = credentials_of(request.head, self.cookies.session)
        if old.token is not None and old.is_by_cookie:
            await self.logouts.end_replaced(old.token, login)
        return redirect(303, target, self.cookies.finish_login(request, query.state, token, login.ends_at))

    async def logout(self, request: ApiRequest) -> Reply:
        """End this session, here and at the Directory Service."""
        caller = request.caller
        if caller.login_id is None:
            raise InvalidRequest("This session is not ours to end")
        back = self.settings.after_logout or self.after_logout(request)
        try:
            out = await self.logouts.end(caller, caller.login_id, back)
        except NotFound:  # another request was faster: this token is no longer one
            raise Unauthorized(token_sent=True) from None
        return json_reply(
            LoggedOutJson(True, "Logged out successfully", out.directory_revoked, out.logout_url),
            headers=self.cookies.end_session(),
        )

    async def validate(self, request: ApiRequest) -> Reply:
        """Tell whether the session token is valid; does not prolong the session."""
        caller = request.optional_caller
        if caller is not None:
            return json_reply(Validity(True, caller.user_id, caller.expires_at))
        if not credentials_of(request.head, self.cookies.session).is_sent:
            raise Unauthorized
        return json_reply(Validity(False, None, None))

    async def backchannel_logout(self, request: ApiRequest) -> Reply:
        """End the sessions that the Directory Service says are over (OIDC Back-Channel Logout 1.0)."""
        tokens = (await request.form()).get("logout_token", [])
        if len(tokens) != 1:
            raise InvalidRequest("There must be one logout token", fields={"logout_token": "must come once"})
        await self.logouts.end_by_directory(tokens[0])
        return json_reply({})

    def after_logout(self, request: ApiRequest) -> str:
        """The place that the Directory is asked to send the browser back to."""
        base = public_base(self.settings, request.scope)
        target = self.settings.after_login
        return target if "://" in target else base.partition("://")[0] + "://" + host_of(base) + target


def wanted_target(request: ApiRequest) -> str | None:
    """The `redirect` of the query; None for a query that cannot be read: the default target then, not an error."""
    try:
        return request.query(LoginQuery).redirect
    except InvalidRequest:
        return None


def mount_path(request: ApiRequest, ending: str) -> str:
    """Where the login endpoints are, below the public base: `/auth` unless the mount was moved."""
    return request.route_path.rstrip("/").removesuffix(ending)


def host_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
