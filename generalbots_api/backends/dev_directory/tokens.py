"""Access and refresh tokens: self-contained and signed, so that a login outlives a restart."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from itsdangerous import URLSafeSerializer

from generalbots_api.backends.dev_directory.lapses import Lapses, remember
from generalbots_api.backends.dev_directory.signers import loaded
from generalbots_api.clock import Clock

ACCESS = "access"
REFRESH = "refresh"
ACCESS_LIFETIME = 3_600  # seconds
REFRESH_LIFETIME = 30 * 86_400


class Login(msgspec.Struct, frozen=True, array_like=True):
    """One login of one application: what all its tokens have in common."""

    user_id: str
    client_id: str
    session: str  # `sid`: the browser's session here
    family: str  # the tokens that follow from one code
    auth_unix: int  # when the password was given
    generation: str
    scopes: tuple[str, ...]


class TokenData(msgspec.Struct, frozen=True, array_like=True):
    """What a token says."""

    kind: str  # ACCESS or REFRESH
    id: str
    login: Login
    scopes: tuple[str, ...]  # those of the login, or fewer
    serial: int  # its place in the rotation
    issued_unix: int
    expires_unix: int


@dataclass(frozen=True, slots=True)
class Issued:
    access_token: str
    refresh_token: str | None  # only for `offline_access`


@dataclass(slots=True)
class Tokens:
    """Makes, reads, rotates and revokes. The rotation is remembered in memory only."""

    signer: URLSafeSerializer
    lapses: Lapses
    clock: Clock
    _serials: dict[str, int] = field(default_factory=dict)  # family -> the serial of its newest refresh token

    def issue(self, login: Login, scopes: tuple[str, ...]) -> Issued:
        """The refresh token replaces the one before it; access tokens live until they expire."""
        serial = self._serials.get(login.family, 0) + 1
        remember(self._serials, login.family, serial)
        access = self._new(ACCESS, login, scopes, serial)
        if "offline_access" not in login.scopes:
            return Issued(access, None)
        return Issued(access, self._new(REFRESH, login, login.scopes, serial))

    def read(self, token: str, kind: str) -> TokenData | None:
        """What a token says that is good now."""
        data = self.known(token)
        if data is None or data.kind != kind or self.clock.unix() >= data.expires_unix or self._is_over(data):
            return None
        return None if kind == REFRESH and self._is_spent(data) else data

    def spend(self, token: str) -> TokenData | None:
        """Take a refresh token, once; a second use revokes its family. Source: RFC 9700, section 4.14.2.

        After a restart the newest of a family that comes is taken for its newest.
        """
        data = self.known(token)
        if data is None or data.kind != REFRESH or self._is_over(data):
            return None
        if self._is_spent(data):
            self.lapses.end(data.login.family)
            return None
        remember(self._serials, data.login.family, data.serial)
        return data if self.clock.unix() < data.expires_unix else None

    def revoke(self, token: str) -> None:
        """A refresh token takes its access tokens with it; an access token goes alone. Source: RFC 7009, 2.1."""
        data = self.known(token)
        if data is not None:
            self.lapses.end(data.login.family if data.kind == REFRESH else data.id)

    def known(self, token: str) -> TokenData | None:
        """What a token of ours says, whether it is still good or not."""
        kind, _, signed = token.partition("_")
        try:
            data = msgspec.convert(loaded(self.signer, signed), TokenData)
        except msgspec.ValidationError:
            return None
        return data if data.kind == kind else None

    def _new(self, kind: str, login: Login, scopes: tuple[str, ...], serial: int) -> str:
        now = int(self.clock.unix())
        lifetime = ACCESS_LIFETIME if kind == ACCESS else REFRESH_LIFETIME
        data = TokenData(kind, secrets.token_hex(12), login, scopes, serial, now, now + lifetime)
        return f"{kind}_{self.signer.dumps(msgspec.to_builtins(data))}"

    def _is_over(self, data: TokenData) -> bool:
        login = data.login
        return self.lapses.is_over(login.user_id, login.generation, data.id, login.family, login.session)

    def _is_spent(self, data: TokenData) -> bool:
        return data.serial < self._serials.get(data.login.family, 0)
