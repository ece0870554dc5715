"""The cookies: one that is the session token, and a signed one for each login under way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from itsdangerous import BadSignature, URLSafeSerializer

from generalbots_api.clock import Clock
from generalbots_api.ids import SessionToken
from generalbots_api.settings import Settings
from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.head import CookieReader
from generalbots_api.web.request import ApiRequest

LOGIN_SALT = "generalbots_api login cookie"
MAX_LOGIN_COOKIES = 5
CLOCKS_APART = 30  # seconds: another node's clock may be behind that of the one where the login began


class Cookies:
    """Writes and reads the cookies. Source: contract, "Authentication of a request".

    A login cookie holds the browser's id and the hash of the state; it is
    signed, not encrypted, as neither is a secret from the browser it belongs to.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._is_secure = settings.secure_cookies
        self._login_timeout = settings.login_timeout
        self._clock = clock
        self.session_name = settings.session_cookie
        self.session = CookieReader(settings.session_cookie.encode())
        self._login_prefix = f"{settings.session_cookie.removeprefix('__Host-')}_login_"
        if self._is_secure:
            self._login_prefix = "__Host-" + self._login_prefix
        self._signer = signer(settings.keys, LOGIN_SALT)

    def begin_login(self, request: ApiRequest, state: str, browser: str) -> RawHeaders:
        """The cookie of a login that begins; the oldest beyond five are dropped."""
        value = self._signer.dumps([browser, state_mark(state), int(self._clock.unix())])
        names = [name for name, _ in self._login_cookies(request)]
        dropped = [self._expired(name) for name in names[: max(0, len(names) - MAX_LOGIN_COOKIES + 1)]]
        name = self._login_prefix + state_mark(state)
        return [*dropped, self._header(name, str(value), f"; Max-Age={self._login_timeout}")]

    def login_browser(self, request: ApiRequest, state: str) -> str | None:
        """The browser's id, by the cookie of the login with this state; None: not this browser's."""
        values = CookieReader((self._login_prefix + state_mark(state)).encode()).values(request.head.cookies or b"")
        read = self._read(values[0].decode("latin-1")) if len(values) == 1 else None
        return read[0] if read and read[1] == state_mark(state) else None

    def browser(self, request: ApiRequest) -> str | None:
        """The id that this browser's other logins under way carry."""
        reads = [self._read(value) for _, value in self._login_cookies(request)]
        return next((read[0] for read in reversed(reads) if read), None)

    def finish_login(self, request: ApiRequest, state: str, token: SessionToken, ends_at: datetime) -> RawHeaders:
        """The session's cookie instead of the login's."""
        seconds = max(0, int(ends_at.timestamp() - self._clock.unix()))
        return [
            self._expired(self._login_prefix + state_mark(state)),
            self._header(self.session_name, token, f"; Max-Age={seconds}"),
        ]

    def end_session(self) -> RawHeaders:
        return [self._expired(self.session_name)]

    def _read(self, value: str) -> tuple[str, str] | None:
        try:
            browser, mark, begun = self._signer.loads(value)
        except (BadSignature, ValueError, TypeError):
            return None
        if not -CLOCKS_APART <= self._clock.unix() - begun <= self._login_timeout:
            return None
        return str(browser), str(mark)

    def _login_cookies(self, request: ApiRequest) -> list[tuple[str, str]]:
        pairs = (request.head.cookies or b"").decode("latin-1").split(";")
        parted = [pair.strip().partition("=") for pair in pairs]
        return [(name, value) for name, sep, value in parted if sep and name.startswith(self._login_prefix)]

    def _header(self, name: str, value: str, lifetime: str) -> tuple[bytes, bytes]:
        secure = "; Secure" if self._is_secure else ""
        return b"set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{lifetime}".encode()

    def _expired(self, name: str) -> tuple[bytes, bytes]:
        return self._header(name, "", "; Max-Age=0")


def signer(keys: Sequence[bytes], salt: str) -> URLSafeSerializer:
    """itsdangerous with SHA-256 in place of its SHA-1; a salt for each purpose, the newest key last."""
    return URLSafeSerializer(
        list(keys), salt=salt, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )


def state_mark(state: str) -> str:
    """A short name for a login, from which the state cannot be had."""
    return hashlib.sha256(b"cookie:" + state.encode("utf-8", "replace")).hexdigest()[:16]
