"""What the faulty provider remembers: codes, tokens, and who they are of."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

Form = dict[str, str]
LIFETIME = 3_600  # seconds that an access token lives


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that was granted."""

    redirect_uri: str
    challenge: str
    nonce: str | None
    session: str = field(default_factory=lambda: secrets.token_urlsafe(8))


@dataclass(slots=True)
class Tokens:
    """Each code works once, each refresh token too; a session that ends takes its tokens with it."""

    codes: dict[str, Asked] = field(default_factory=dict)
    access: dict[str, Asked] = field(default_factory=dict)
    refresh: dict[str, Asked] = field(default_factory=dict)

    def new_code(self, asked: Asked) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return code

    def by_code(self, form: Form) -> Asked | None:
        """What the code was given for; None: it is unknown or used, or what comes with it is wrong."""
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        is_right = asked is not None and (asked.redirect_uri, asked.challenge) == (form.get("redirect_uri"), challenge)
        return asked if is_right else None

    def by_refresh(self, form: Form, *, is_kept: bool) -> Asked | None:
        """`is_kept`: it works again, as its successor does not reach the client."""
        token = form.get("refresh_token", "")
        return self.refresh.get(token) if is_kept else self.refresh.pop(token, None)

    def issue(self, asked: Asked) -> tuple[str, str]:
        """A new access token, and a new refresh token."""
        access, refresh = (secrets.token_urlsafe(16) for _ in range(2))
        self.access[access] = self.refresh[refresh] = asked
        return access, refresh

    def revoke(self, token: str) -> None:
        """With a refresh token all tokens of its login are revoked. Unknown ones are fine (RFC 7009, 2.2)."""
        self.access.pop(token, None)
        asked = self.refresh.get(token)
        if asked is not None:
            self.end(asked.session)

    def end(self, session: str) -> None:
        for kept in (self.access, self.refresh):
            for token in [token for token, asked in kept.items() if asked.session == session]:
                del kept[token]
