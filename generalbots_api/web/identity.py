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
USUAL = b"Bearer " + TOKEN_PREFIX_BYTES
USUAL_LENGTH = len(b"Bearer ") + TOKEN_LENGTH

Authenticate = Callable[[HTTPConnection], Awaitable[Caller | None]]
"""The host's own login: the caller of a connection, or None. Called once for each request and chat message."""


class Credentials(msgspec.Struct, gc=False):
    """The session token of a request; None: none, or one that cannot be right."""

    token: bytes | None
    is_sent: bool
    is_by_cookie: bool = False


NONE_SENT = Credentials(None, False)
REFUSED = Credentials(None, True)
ASK_HOST = Identified(is_unsure=True)


def credentials_of(head: Head, cookie: CookieReader) -> Credentials:
    """The Authorization header wins; two headers or two session cookies are nobody's.

    Source: contract, "Authentication of a request"; RFC 6750, section 2.1.
    """
    sent = head.authorization
    if sent is not None:
        if head.authorizations > 1 or not _is_bearer(sent):
            return REFUSED
        token, is_by_cookie = sent[7:].strip(), False
    else:
        values = cookie.values(head.cookies) if head.cookies is not None else ()
        if len(values) != 1:
            return REFUSED if values else NONE_SENT
        token, is_by_cookie = values[0], True
    if len(token) != TOKEN_LENGTH or token[:4] != TOKEN_PREFIX_BYTES:
        return Credentials(None, True, is_by_cookie)
    return Credentials(token, True, is_by_cookie)


def _is_bearer(sent: bytes) -> bool:
    """Browsers never add it by themselves, as they do with cookies, Basic and Negotiate."""
    return sent[:7].lower() == b"bearer "


@dataclass(frozen=True, slots=True)
class Identification:
    """Finds the caller of each connection: by `known`, and by `identify` where that is unsure."""

    sessions: LoginSessions
    cookie: CookieReader
    authenticate: Authenticate | None

    def known(self, head: Head, now_unix: float) -> Identified:
        """Who it is, as far as that can be told without waiting."""
        if self.authenticate is not None:
            return ASK_HOST
        sent = head.authorization
        if sent is not None and sent.startswith(USUAL) and len(sent) == USUAL_LENGTH and head.authorizations == 1:
            token, is_by_cookie = sent[7:], False  # as nearly all do: `credentials_of` says the same
        else:
            credentials = credentials_of(head, self.cookie)
            if credentials.token is None:
                return Identified(None, None, credentials.is_sent, credentials.is_by_cookie)
            token, is_by_cookie = credentials.token, credentials.is_by_cookie
        token_hash = hash_token(token)
        seen = self.sessions.seen(token_hash, now_unix)
        if seen is None:
            return Identified(None, token_hash, True, is_by_cookie, is_unsure=True)
        return Identified(seen.caller, token_hash, True, is_by_cookie)

    async def identify(
        self, known: Identified, head: Head, scope: Scope, now_unix: float, *, is_use: bool = True
    ) -> Identified:
        """Who it is, where `known` is unsure. `is_use` False does not prolong the session."""
        if self.authenticate is not None:
            caller = await self.authenticate(HTTPConnection(scope))
            header = head.authorization
            return Identified(caller, None, header is not None, header is None or not _is_bearer(header))
        if known.token_hash is None:
            return known
        caller = await self.sessions.find(known.token_hash, now_unix, is_use=is_use)
        return Identified(caller, known.token_hash, True, known.is_by_cookie)

    def asking(self, scope: Scope) -> Callable[[], Awaitable[Caller | None]] | None:
        """For a socket, which outlives its handshake: asks the host again who it is. None: our own login."""
        authenticate = self.authenticate
        if authenticate is None:
            return None
        return lambda: authenticate(HTTPConnection(scope))
