"""Identifiers, and where new ones come from. All are opaque strings: nobody parses one."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NewType

UserId = NewType("UserId", str)
BotId = NewType("BotId", str)
GroupId = NewType("GroupId", str)
LoginId = NewType("LoginId", str)
"""The public name of a login session; never accepted as its token."""
BotSessionId = NewType("BotSessionId", str)
"""A bot session, and the conversation in it."""
MessageId = NewType("MessageId", str)
SessionToken = NewType("SessionToken", str)
"""`gbs_` and 43 URL-safe characters: 256 random bits. A secret."""
TokenHash = NewType("TokenHash", bytes)
"""SHA-256 of a session token: the only form of it that is stored."""

TOKEN_PREFIX = "gbs_"
TOKEN_LENGTH = len(TOKEN_PREFIX) + 43
AT_ONCE = 64

_drawn: list[str] = []  # ids yet to be given out: the system is asked for randomness once for many
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)  # or two processes would give out the same


def new_id() -> str:
    """128 random bits in 22 URL-safe characters."""
    try:
        return _drawn.pop()
    except IndexError:  # not looked for before: another thread, with a service of its own, may take the last one
        text = secrets.token_urlsafe(AT_ONCE * 18)  # 24 characters each, of which the last two are left out
        _drawn.extend(text[at : at + 22] for at in range(24, len(text), 24))
        return text[:22]


def new_session_token() -> SessionToken:
    return SessionToken(TOKEN_PREFIX + secrets.token_urlsafe(32))


def quickest_sha256() -> Callable[[bytes], Any]:
    """Python's own, which takes 0.6 of OpenSSL's time for the 47 bytes of a token. The module `random` does so, too."""
    for name in ("_sha2", "_sha256"):  # from 3.12 on, and before
        with suppress(ImportError, AttributeError):
            found: Callable[[bytes], Any] = import_module(name).sha256
            return found
    return hashlib.sha256


_sha256 = quickest_sha256()


def hash_token(token: str | bytes) -> TokenHash:
    raw = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    hashed: TokenHash = _sha256(raw).digest()  # calling a NewType costs as much as a look-up
    return hashed
