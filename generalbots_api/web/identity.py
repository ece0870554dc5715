"""Who a request comes from, by its header, its cookie, or the host application's own login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from starlette.requests import HTTPConnection
from starlette.types import Scope

from generalbots_api.auth.identity import LoginSessions
from generalbots_api.caller import Caller
from generalbots_api.ids import TOKEN_LENGTH, TOKEN_PREFIX, hash_token
from generalbots_api.web.head import CookieReader, Head
from generalbots_api.web.identified import Identified

TOKEN_PREFIX_BYTES = TOKEN_PREFIX.encode()

Authenticate = Callable[[HTTPConnection], Awaitable[Caller | None]]
"""The host's own login: the caller of a connection, or None. Called once for each request and chat message."""


class Credentials(msgspec.Struct, gc=False):
    """The session token of a request; None: none, or one that cannot be right."""

    token: bytes | None
    is_sent: bool
    is_by_cookie: bool = False


NONE_SENT = Credentials(None, False)
REFUSED = Credentials(None, True)


def credentials_of(head: Head, cookie: CookieReader) -> Credentials:
    """The Authorization header wins; two headers or two session cookies are nobody's.

    Source: contract, "Authentication of a request"; RFC 6750, section 2.1.
    """
    sent = head.authorization
    if sent is not None:
        if head.authorizations > 1 or not _is_bearer(sent):
            return REFUSED
        return _token(sent[7:].strip(), False)
    if head.cookies is None:
        return NONE_SENT
    values = cookie.values(head.cookies)
    if not values:
        return NONE_SENT
    return _token(values[0], True) if len(values) == 1 else REFUSED


def _is_bearer(sent: bytes) -> bool:
    """Browsers never add it by themselves, as they do with cookies, Basic and Negotiate."""
    return sent[:7].lower() == b"bearer "


def _token(text: bytes, is_by_cookie: bool) -> Credentials:
    if len(text) != TOKEN_LENGTH or text[:4] != TOKEN_PREFIX_BYTES:
        return Credentials(None, True, is_by_cookie)
    return Credentials(text, True, is_by_cookie)


@dataclass(frozen=True, slots=True)
class Identification:
    """Finds the caller of each connection."""

    sessions: LoginSessions
    cookie: CookieReader
    authenticate: Authenticate | None

    def known(self, head: Head, now_unix: float) -> Identified | None:
        """Who it is, if that can be told without waiting; None: ask `identify`."""
        if self.authenticate is not None:
            return None
        sent = credentials_of(head, self.cookie)
        if sent.token is None:
            return Identified(None, None, sent.is_sent, sent.is_by_cookie)
        token_hash = hash_token(sent.token)
        caller = self.sessions.known(token_hash, now_unix)
        return Identified(caller, token_hash, True, sent.is_by_cookie) if caller is not None else None

    async def identify(self, head: Head, scope: Scope, now_unix: float, *, is_use: bool = True) -> Identified:
        """Who it is. `is_use` False does not prolong the session."""
        if self.authenticate is not None:
            caller = await self.authenticate(HTTPConnection(scope))
            header = head.authorization
            return Identified(caller, None, header is not None, header is None or not _is_bearer(header))
        sent = credentials_of(head, self.cookie)
        if sent.token is None:
            return Identified(None, None, sent.is_sent, sent.is_by_cookie)
        token_hash = hash_token(sent.token)
        caller = await self.sessions.find(token_hash, now_unix, is_use=is_use)
        return Identified(caller, token_hash, True, sent.is_by_cookie)

    def asking(self, scope: Scope) -> Callable[[], Awaitable[Caller | None]] | None:
        """For a socket, which outlives its handshake: asks the host again who it is. None: our own login."""
        authenticate = self.authenticate
        if authenticate is None:
            return None
        return lambda: authenticate(HTTPConnection(scope))
