"""Authorization endpoint and login form: OIDC Core 3.1.2, PKCE demanded (RFC 7636)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from itsdangerous import BadSignature
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from generalbots_api.backends.dev_directory.forms import form_of
from generalbots_api.backends.dev_directory.pages import error_page, login_page
from generalbots_api.backends.dev_directory.people import User
from generalbots_api.backends.dev_directory.state import CODE_LIFETIME, Code, State

SESSION_COOKIE = "gb_dev_directory"
FORM_COOKIE = "gb_dev_form"
CHALLENGE_LENGTH = 43
SESSION_LIFETIME = 43_200  # seconds


class Wrong(Exception):
    """An error that is told to the client by a redirect: RFC 6749, section 4.1.2.1."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class AuthorizePages:
    state: State

    async def authorize(self, request: Request) -> Response:
        """Show the login form, or go on at once for a browser that is logged in."""
        asked = dict(request.query_params)
        if len(asked) != len(request.query_params.multi_items()):
            return self._error("A parameter comes twice.")
        if asked.get("client_id") != self.state.client_id:
            return self._error("This application is not known here.")
        if not self.state.is_redirect_uri(asked.get("redirect_uri", "")):
            return self._error("This address to return to is not allowed.")
        try:
            check_request(asked)
            return self._go_on(request, asked)
        except Wrong as error:
            return back(asked, {"error": error.code, "error_description": error.description})

    def _go_on(self, request: Request, asked: dict[str, str]) -> Response:
        prompt = asked.get("prompt", "").split()
        session = self.session(request)
        if session is not None and "login" not in prompt and not self._is_too_old(session, asked):
            user = self.state.people.users[session["user"]]
            return self._granted(asked, user, int(session["at"]))
        if "none" in prompt:
            raise Wrong("login_required", "The user is not logged in")
        return self._form(request, asked, None)

    def _is_too_old(self, session: dict[str, Any], asked: dict[str, str]) -> bool:
        max_age = asked.get("max_age", "")
        return max_age.isdigit() and self.state.clock.unix() - session["at"] > int(max_age)

    async def log_in(self, request: Request) -> Response:
        """Take the form: a token of its own keeps other sites from sending it."""
        form = await form_of(request)
        asked = self._asked(form.get("form", ""), request.cookies.get(FORM_COOKIE))
        if asked is None:
            return self._error("This form is too old, or was not made for this browser. Begin the login again.", 403)
        user = self.state.people.log_in(form.get("username", ""), form.get("password", ""))
        if user is None:
            return self._form(request, asked, "Username or password is wrong.")
        now = int(self.state.clock.unix())
        response = self._granted(asked, user, now)
        session = self.state.cookies.dumps({"user": user.id, "at": now})
        path = request.scope.get("root_path") or "/"
        response.set_cookie(SESSION_COOKIE, str(session), path=path, httponly=True, samesite="lax")
        response.delete_cookie(FORM_COOKIE, path=path)
        return response

    def session(self, request: Request) -> dict[str, Any] | None:
        """Who is logged in at the directory itself, by its cookie."""
        try:
            session: dict[str, Any] = self.state.cookies.loads(request.cookies.get(SESSION_COOKIE, ""))
            user = self.state.people.users.get(session["user"])
            is_fresh = 0 <= self.state.clock.unix() - session["at"] < SESSION_LIFETIME
        except (BadSignature, KeyError, TypeError):
            return None
        return session if user is not None and user.is_active and is_fresh else None

    def _granted(self, asked: dict[str, str], user: User, auth_unix: int) -> Response:
        code = Code(
            user_id=user.id,
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked.get("nonce"),
            scopes=asked["scope"].split(),
            family=secrets.token_hex(12),
            auth_unix=auth_unix,
            expires_unix=self.state.clock.unix() + CODE_LIFETIME,
        )
        return back(asked, {"code": self.state.new_code(code)})

    def _form(self, request: Request, asked: dict[str, str], error: str | None) -> Response:
        browser = request.cookies.get(FORM_COOKIE) or secrets.token_hex(16)
        token = str(self.state.cookies.dumps({"asked": asked, "browser": browser, "at": self.state.clock.unix()}))
        users = self.state.people.users.values()
        page = login_page(f"{self.state.issuer}/login", token, users, error, secrets.token_hex(12))
        path = request.scope.get("root_path") or "/"
        page.set_cookie(FORM_COOKIE, browser, path=path, httponly=True, samesite="lax")
        return page

    def _asked(self, token: str, browser: str | None) -> dict[str, str] | None:
        try:
            form = self.state.cookies.loads(token)
            is_ours = browser is not None and secrets.compare_digest(str(form["browser"]), browser)
            is_fresh = 0 <= self.state.clock.unix() - form["at"] < 3_600
        except (BadSignature, KeyError, TypeError):
            return None
        asked: dict[str, str] = form["asked"]
        return asked if is_ours and is_fresh else None

    def _error(self, message: str, status: int = 400) -> Response:
        page = error_page(message, secrets.token_hex(12))
        page.status_code = status
        return page


def check_request(asked: dict[str, str]) -> None:
    if asked.get("response_type") != "code":
        raise Wrong("unsupported_response_type", "Only the code flow is supported")
    if "openid" not in asked.get("scope", "").split():
        raise Wrong("invalid_scope", "The scope openid is missing")
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != CHALLENGE_LENGTH:
        raise Wrong("invalid_request", "PKCE with S256 is required")


def back(asked: dict[str, str], answer: dict[str, str]) -> Response:
    """To the client, with its state."""
    query = {**answer, **({"state": asked["state"]} if "state" in asked else {})}
    url = f"{asked['redirect_uri']}?{urlencode(query)}"
    return RedirectResponse(url, 302, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
