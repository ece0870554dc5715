"""What the endpoints of the directory share."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from generalbots_api.backends.dev_directory.client import Client
from generalbots_api.backends.dev_directory.codes import Codes
from generalbots_api.backends.dev_directory.lapses import Lapses
from generalbots_api.backends.dev_directory.people import People, User
from generalbots_api.backends.dev_directory.sessions import BrowserSessions
from generalbots_api.backends.dev_directory.signing import SigningKeys
from generalbots_api.backends.dev_directory.tokens import ACCESS, TokenData, Tokens
from generalbots_api.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    issuer: str
    project_id: str
    client: Client
    people: People
    lapses: Lapses
    tokens: Tokens
    codes: Codes
    sessions: BrowserSessions
    keys: SigningKeys
    clock: Clock

    @property
    def base(self) -> str:
        """The issuer, for putting a path behind it."""
        return self.issuer.rstrip("/")

    @property
    def path(self) -> str:
        """The path that the directory is served under, "" for the root."""
        return urlsplit(self.base).path

    def user_of(self, access_token: str) -> tuple[User, TokenData] | None:
        """The active user that a good access token is of."""
        data = self.tokens.read(access_token, ACCESS)
        user = self.people.active(data.login.user_id) if data is not None else None
        return (user, data) if user is not None and data is not None else None
