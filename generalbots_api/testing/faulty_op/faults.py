"""The lies, each a setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

Json = dict[str, Any]
Changes = Mapping[str, object]


class _Missing(Enum):
    LEFT_OUT = "left out"


LEFT_OUT = _Missing.LEFT_OUT
"""In place of a value: the field is not there. (None is JSON's null.)"""


@dataclass(frozen=True, slots=True)
class FromNow:
    """In place of a value: a time in Unix seconds, so many seconds from the provider's now."""

    seconds: float
    is_text: bool = False


class Endpoint(StrEnum):
    METADATA = "metadata"
    KEYS = "keys"
    TOKEN = "token"  # a code for tokens
    REFRESH = "refresh"  # a refresh token for tokens
    USERINFO = "userinfo"
    REVOKE = "revoke"


class Trouble(StrEnum):
    """What an endpoint answers in place of what it should."""

    DOWN = "down"  # no connection, by `FaultyOp.transport`
    SLOW = "slow"  # nothing, until the caller gives up
    ERROR = "error"  # 500, a page
    BUSY = "busy"  # 429
    UNAUTHORIZED = "unauthorized"  # 401 and an error of its own
    NOT_FOUND = "not found"  # 404, a page
    HTML = "html"  # 200, a page
    EMPTY = "empty"  # 200, nothing
    OVERSIZED = "oversized"  # 200, right, and longer than 1 MiB
    MALFORMED = "malformed"  # 200, JSON that breaks off
    NO_OBJECT = "no object"  # 200, a JSON list
    REPEATED = "repeated"  # 200, a JSON object with a key that comes twice
    REDIRECT = "redirect"  # 307 to where all would be well


class Signature(StrEnum):
    """Of the id token."""

    GOOD = "good"
    WRONG = "wrong"  # one bit is another
    TRUNCATED = "truncated"
    EMPTY = "empty"
    OTHER_KEY = "other key"  # by a key that is not published, under the id of one that is
    OTHER_CONTENT = "other content"  # the claims were changed after they were signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """None by default. Values of `Changes` replace or add a field; see `LEFT_OUT` and `FromNow`."""

    troubles: Mapping[Endpoint, Trouble] = field(default_factory=dict)
    metadata: Changes = field(default_factory=dict)
    answer: Changes = field(default_factory=dict)  # the query that the browser brings back
    repeated_in_answer: frozenset[str] = frozenset()  # parameters that come twice

    token: Changes = field(default_factory=dict)  # the answer to a code
    token_error: str | None = None  # in place of that answer, with 400
    refreshed: Changes = field(default_factory=dict)  # the answer to a refresh token
    refresh_error: str | None = None
    userinfo: Changes = field(default_factory=dict)

    claims: Changes = field(default_factory=dict)  # of the id token
    repeated_claim: str | None = None  # comes twice
    id_token_size: int = 0  # characters, at least
    parts: int = 3  # of the id token, between dots
    algorithm: str = "RS256"  # also "none", and "HS256" with the published key as its secret
    header: Changes = field(default_factory=dict)
    repeated_in_header: str | None = None
    embeds_key: bool = False  # `jwk` of the header is the key that signed
    signature: Signature = Signature.GOOD
    generation: int | None = None  # of the key that signs, 1 for the first; None: the newest

    key: Changes = field(default_factory=dict)  # each published key
    key_set: Changes = field(default_factory=dict)  # the published set around them
    more_keys: tuple[object, ...] = ()  # published before the good ones
    rsa_bits: int = 2048


def changed(value: Json, changes: Changes, now: float) -> Json:
    """`value` with the lies in it."""
    told = {name: _at(one, now) for name, one in {**value, **changes}.items()}
    return {name: one for name, one in told.items() if one is not LEFT_OUT}


def _at(value: object, now: float) -> object:
    if not isinstance(value, FromNow):
        return value
    instant = now + value.seconds
    return str(instant) if value.is_text else instant
