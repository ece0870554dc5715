"""The token in the login form: it carries the request, and no other site can make one for this browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec
from itsdangerous import URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from generalbots_api.backends.dev_directory.asking import Asked
from generalbots_api.backends.dev_directory.errors import ShownError
from generalbots_api.backends.dev_directory.sessions import Cookies
from generalbots_api.backends.dev_directory.signers import loaded
from generalbots_api.clock import Clock

FORM_COOKIE = "gb_dev_form"
FORM_LIFETIME = 3_600  # seconds
STALE = "This form is too old, or was not made for this browser. Begin the login again."


class _Form(msgspec.Struct, frozen=True, array_like=True):
    browser: str
    made_unix: float
    asked: Asked


@dataclass(frozen=True, slots=True)
class LoginForms:
    """One cookie serves all tabs of a browser: each form carries its own request."""

    signer: URLSafeSerializer
    cookies: Cookies
    clock: Clock

    def browser_of(self, request: Request) -> str:
        """The browser's name, a new one if it has none that could be ours."""
        name = request.cookies.get(FORM_COOKIE, "")
        return name if len(name) == 32 and name.isascii() and name.isalnum() else secrets.token_hex(16)

    def token(self, asked: Asked, browser: str) -> str:
        return str(self.signer.dumps(msgspec.to_builtins(_Form(browser, self.clock.unix(), asked))))

    def remember(self, response: Response, browser: str) -> None:
        self.cookies.put(response, FORM_COOKIE, browser)

    def asked(self, request: Request, token: str) -> Asked:
        """The request that the form was made for.

        Raises:
            ShownError: 403, it was not made here, not for this browser, or too long ago.
        """
        try:
            form = msgspec.convert(loaded(self.signer, token), _Form)
        except msgspec.ValidationError:
            raise ShownError(STALE, 403) from None
        is_ours = secrets.compare_digest(form.browser.encode(), request.cookies.get(FORM_COOKIE, "").encode())
        if not is_ours or not 0 <= self.clock.unix() - form.made_unix < FORM_LIFETIME:
            raise ShownError(STALE, 403)
        return form.asked
