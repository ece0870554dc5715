"""A user of a directory, and a login of theirs step by step: what the contract of directories tries them with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from generalbots_api.auth.model import AuthorizationAnswer, Grant, Identity, PendingLogin, Secret
from generalbots_api.clock import Clock
from generalbots_api.directory import Directory
from generalbots_api.ids import UserId
from generalbots_api.testing.contract import HOUR

STATE = "the state of the contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUser:
    """One whom the Directory knows, and a browser of theirs."""

    user_id: UserId
    redirect_uri: str  # registered there for the client
    log_in: Callable[[str], Awaitable[str]]
    """Go to the address, log in, and return the address that the browser is sent back to."""
    email: str
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    clock: Clock
    return_to: str | None = None  # registered there for logouts; None: logouts lead nowhere
    log_out: Callable[[str], Awaitable[str]] | None = None
    """Go to the `logout_url`, log out, and return the logout token that the Directory sends."""


@dataclass(slots=True)
class Visit:
    """One login, step by step."""

    directory: Directory
    user: KnownUser
    pending: PendingLogin = field(init=False)
    answer: AuthorizationAnswer = field(init=False)

    async def begin(self) -> str:
        self.pending = a_pending(self.user.redirect_uri, self.user.clock.now())
        return await self.directory.authorization_url(self.pending, STATE)

    async def go(self) -> None:
        """To the Directory and back."""
        back = await self.user.log_in(await self.begin())
        assert back.startswith(self.user.redirect_uri)
        query = dict(parse_qsl(urlsplit(back).query))
        assert query["state"] == STATE
        self.answer = AuthorizationAnswer(code=query["code"], state=STATE, issuer=query.get("iss"))

    async def finish(self) -> tuple[Grant, Identity]:
        return await self.directory.finish(self.answer, self.pending, self.user.clock.now())

    async def whole(self) -> tuple[Grant, Identity]:
        await self.go()
        return await self.finish()


def a_pending(redirect_uri: str, now: datetime) -> PendingLogin:
    return PendingLogin(
        state_hash=b"",
        browser="b",
        nonce="a nonce of the contract, long enough to be none that is guessed",
        verifier=Secret("a-verifier-of-the-contract-that-is-43-characters-long"),
        redirect_uri=redirect_uri,
        target="/",
        created_at=now,
        expires_at=now + HOUR,
    )
