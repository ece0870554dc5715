"""Authorization codes: good once, for a minute."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from generalbots_api.backends.dev_directory.lapses import Lapses, remember
from generalbots_api.backends.dev_directory.tokens import Login
from generalbots_api.clock import Clock

CODE_LIFETIME = 60  # seconds
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    login: Login
    redirect_uri: str
    challenge: str  # PKCE, S256
    nonce: str | None
    expires_unix: float

    def is_proved_by(self, verifier: str) -> bool:
        """Source: RFC 7636, section 4.6."""
        if VERIFIER.fullmatch(verifier) is None:
            return False
        digest = hashlib.sha256(verifier.encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return secrets.compare_digest(made, self.challenge)


@dataclass(slots=True)
class Codes:
    """In memory: a login that is under way at a restart begins again."""

    lapses: Lapses
    clock: Clock
    _open: dict[str, Code] = field(default_factory=dict)
    _spent: dict[str, str] = field(default_factory=dict)  # code -> family

    def new(self, login: Login, *, redirect_uri: str, challenge: str, nonce: str | None) -> str:
        expires = self.clock.unix() + CODE_LIFETIME
        code = Code(login=login, redirect_uri=redirect_uri, challenge=challenge, nonce=nonce, expires_unix=expires)
        name = secrets.token_urlsafe(32)
        remember(self._open, name, code)
        return name

    def take(self, name: str) -> Code | None:
        """The code, at its first use. A second use revokes what the first gave. Source: RFC 6749, section 4.1.2."""
        code = self._open.pop(name, None)
        if code is None:
            if name in self._spent:
                self.lapses.end(self._spent[name])
            return None
        remember(self._spent, name, code.login.family)
        login = code.login
        is_over = self.lapses.is_over(login.user_id, login.generation, login.session)
        return None if is_over or self.clock.unix() >= code.expires_unix else code
