"""The browser's own session with the directory, in a signed cookie: a second login needs no password."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from itsdangerous import URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from generalbots_api.backends.dev_directory.lapses import Lapses
from generalbots_api.backends.dev_directory.people import People, User
from generalbots_api.backends.dev_directory.signers import loaded
from generalbots_api.clock import Clock

SESSION_COOKIE = "gb_dev_directory"
SESSION_LIFETIME = 43_200  # seconds


class BrowserSession(msgspec.Struct, frozen=True, array_like=True):
    id: str  # `sid`
    user_id: str
    auth_unix: int
    generation: str


@dataclass(frozen=True, slots=True)
class Cookies:
    """Cookies of the issuer's path only."""

    issuer: str

    @property
    def path(self) -> str:
        return urlsplit(self.issuer).path or "/"

    def put(self, response: Response, name: str, value: str) -> None:
        secure = self.issuer.startswith("https:")
        response.set_cookie(name, value, path=self.path, httponly=True, samesite="lax", secure=secure)

    def delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path=self.path, httponly=True, samesite="lax")


@dataclass(frozen=True, slots=True)
class BrowserSessions:
    signer: URLSafeSerializer
    cookies: Cookies
    people: People
    lapses: Lapses
    clock: Clock

    def of(self, request: Request) -> BrowserSession | None:
        """The session of an active user that has neither expired nor been ended."""
        try:
            session = msgspec.convert(loaded(self.signer, request.cookies.get(SESSION_COOKIE, "")), BrowserSession)
        except msgspec.ValidationError:
            return None
        is_fresh = 0 <= self.clock.unix() - session.auth_unix < SESSION_LIFETIME
        is_over = self.lapses.is_over(session.user_id, session.generation, session.id)
        return session if is_fresh and not is_over and self.people.active(session.user_id) else None

    def begun(self, user: User, before: BrowserSession | None) -> BrowserSession:
        """A session from now on; whoever logs in again as the same user keeps its id."""
        id = before.id if before is not None and before.user_id == user.id else secrets.token_hex(12)
        return BrowserSession(id, user.id, int(self.clock.unix()), self.lapses.generation_of(user.id))

    def put(self, response: Response, session: BrowserSession) -> None:
        self.cookies.put(response, SESSION_COOKIE, str(self.signer.dumps(msgspec.to_builtins(session))))

    def end(self, response: Response, session: BrowserSession | None) -> None:
        """The session and its tokens are worth nothing from now on, wherever the cookie was copied to."""
        self.cookies.delete(response, SESSION_COOKIE)
        if session is not None:
            self.lapses.end(session.id)
