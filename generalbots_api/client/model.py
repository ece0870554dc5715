"""What the API answers, as values. Unknown fields are left out; words that may grow in number are plain strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.client.errors import Problem


class Rate(msgspec.Struct, frozen=True):
    """The quota as an answer told it. Source: spec, "Rate Limiting"."""

    limit: int
    remaining: int
    reset: int  # Unix seconds

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Rate | None:
        values = [headers.get(f"x-ratelimit-{name}", "") for name in cls.__struct_fields__]
        if not all(value.isascii() and value.isdecimal() and len(value) < 16 for value in values):
            return None
        return cls(*map(int, values))


class LoginSession(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str | None  # None: the host brings its own login
    user_id: str
    bot_id: str | None  # of the newest active bot session
    created_at: datetime | None
    expires_at: datetime | None


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    valid: bool
    user_id: str | None
    expires_at: datetime | None


class LoggedOut(msgspec.Struct, frozen=True, kw_only=True):
    """`directory_revoked` False: the Directory was away, and is told later; `logout_url` ends the login there."""

    success: bool
    message: str = ""
    directory_revoked: bool = False
    logout_url: str | None = None


class BotSession(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    bot_id: str
    status: str
    user_id: str
    created_at: datetime
    expires_at: datetime | None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`updated_fields` and `verification_required` tell of a change that was just made."""

    user_id: str
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    display_name: str
    roles: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_fields: tuple[str, ...] = ()
    verification_required: bool = False


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    description: str
    status: str  # online, offline, maintenance


class Bots(msgspec.Struct, frozen=True):
    bots: list[Bot]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    description: str
    member_count: int
    created_at: datetime | None


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    groups: list[Group]
    total: int
    limit: int
    offset: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    username: str
    email: str | None
    role: str
    joined_at: datetime | None


class Members(msgspec.Struct, frozen=True, kw_only=True):
    members: list[Member]
    total: int
    limit: int
    offset: int


class MemberResult(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    status: str  # added, removed, unchanged, failed
    error: Problem | None = None


class MemberResults(msgspec.Struct, frozen=True, kw_only=True):
    success: bool
    message: str
    results: list[MemberResult]


class Component(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    status: str  # up, degraded, down
    latency_ms: float
    message: str
    checked_at: datetime


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    status: str  # healthy, degraded, unhealthy
    version: str
    uptime_seconds: float
    started_at: datetime
    components: list[Component]


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    p50: float
    p95: float
    p99: float


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    uptime_seconds: float
    requests_total: int
    errors_total: int
    rate_limited_total: int
    latency_ms: Latencies
    active_sessions: int
    open_sockets: int
    messages_total: int
    running_replies: int
    memory_rss_bytes: int
    cpu_seconds: float
    event_loop_lag_ms: float


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    timestamp: datetime | None = None


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation of a batch."""

    id: str
    method: str
    path: str
    body: Any = None
    idempotency_key: str | None = None


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    status: int
    headers: dict[str, str] = {}
    body: Any = None


class OperationResults(msgspec.Struct, frozen=True):
    results: list[OperationResult]
