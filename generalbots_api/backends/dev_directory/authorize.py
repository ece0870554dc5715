"""Authorization endpoint and login: OIDC Core 3.1.2."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from generalbots_api.backends.dev_directory.asking import Asked, answer_address, asked_of, state_of
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import AuthorizationError, OAuthError, ShownError
from generalbots_api.backends.dev_directory.forms import form_of, pairs_of
from generalbots_api.backends.dev_directory.login_form import LoginForms
from generalbots_api.backends.dev_directory.pages import error_page, login_page
from generalbots_api.backends.dev_directory.sessions import BrowserSession
from generalbots_api.backends.dev_directory.tokens import Login

LOGIN_PATH = "/login"


@dataclass(frozen=True, slots=True)
class Authorization:
    core: Core
    forms: LoginForms

    async def authorize(self, request: Request) -> Response:
        """Show the form, or go on at once for a browser that is logged in; errors by redirect once that is safe."""
        try:
            pairs = request.query_params.multi_items() if request.method != "POST" else await pairs_of(request)
            redirect_uri = answer_address(pairs, self.core.client)
        except (ShownError, OAuthError) as error:
            return shown(error)
        try:
            return self._go_on(request, asked_of(pairs, redirect_uri))
        except AuthorizationError as error:
            answer = {"error": error.code, "error_description": error.description}
            return back(redirect_uri, answer, state_of(pairs), 302)

    async def log_in(self, request: Request) -> Response:
        """Take the form."""
        try:
            fields = await form_of(request)
            asked = self.forms.asked(request, fields.get("form", ""))
        except (ShownError, OAuthError) as error:
            return shown(error)
        username = fields.get("username", "")
        user = self.core.people.log_in(username, fields.get("password", ""))
        if user is None:
            return self._form(request, asked, username=username[:200], error="Username or password is wrong.")
        session = self.core.sessions.begun(user, self.core.sessions.of(request))
        response = self._granted(asked, session, 303)
        self.core.sessions.put(response, session)
        return response

    def _go_on(self, request: Request, asked: Asked) -> Response:
        session = self.core.sessions.of(request)
        if session is not None and self._is_enough(session, asked):
            return self._granted(asked, session, 302)
        if "none" in asked.prompt:
            raise AuthorizationError("login_required", "the user is not logged in")
        return self._form(request, asked, username=asked.login_hint)

    def _is_enough(self, session: BrowserSession, asked: Asked) -> bool:
        """Whether no password is needed."""
        if not {"login", "select_account"}.isdisjoint(asked.prompt):
            return False
        age = self.core.clock.unix() - session.auth_unix
        return asked.max_age is None or age < asked.max_age

    def _granted(self, asked: Asked, session: BrowserSession, status: int) -> Response:
        login = Login(
            user_id=session.user_id,
            client_id=self.core.client.id,
            session=session.id,
            family=secrets.token_hex(12),
            auth_unix=session.auth_unix,
            generation=session.generation,
            scopes=asked.scopes,
        )
        code = self.core.codes.new(login, redirect_uri=asked.redirect_uri, challenge=asked.challenge, nonce=asked.nonce)
        return back(asked.redirect_uri, {"code": code}, asked.state, status)

    def _form(self, request: Request, asked: Asked, *, username: str, error: str | None = None) -> Response:
        browser = self.forms.browser_of(request)
        page = login_page(
            action=self.core.path + LOGIN_PATH,
            form_token=self.forms.token(asked, browser),
            users=self.core.people.users.values(),
            username=username,
            error=error,
        )
        self.forms.remember(page, browser)
        return page


def back(redirect_uri: str, answer: dict[str, str], state: str | None, status: int) -> Response:
    """To the client, with its state. 303 after a form, so that the browser comes with GET."""
    query = urlencode({**answer, **({"state": state} if state is not None else {})})
    separator = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{separator}{query}", status, headers={"Referrer-Policy": "no-referrer"})


def shown(error: ShownError | OAuthError) -> Response:
    message = (
        error.message if isinstance(error, ShownError) else f"Something about the form is wrong: {error.description}."
    )
    return error_page(message, error.status)
