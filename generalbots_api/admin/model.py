"""What an administrator is told: components that were checked, and figures that were counted."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

ComponentStatus = Literal["up", "degraded", "down"]
OverallStatus = Literal["healthy", "degraded", "unhealthy"]


class Component(msgspec.Struct, frozen=True):
    name: str
    status: ComponentStatus
    latency_ms: float
    message: str
    checked_at: datetime


class SystemStatus(msgspec.Struct, frozen=True):
    """`unhealthy`: the storage is down; `degraded`: anything else is not up."""

    status: OverallStatus
    version: str
    uptime_seconds: float
    started_at: datetime
    components: list[Component]


class Latencies(msgspec.Struct, frozen=True):
    """Milliseconds since the start, each within a tenth."""

    p50: float
    p95: float
    p99: float


class Metrics(msgspec.Struct, frozen=True):
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


def overall(components: list[Component]) -> OverallStatus:
    if any(one.name == "storage" and one.status == "down" for one in components):
        return "unhealthy"
    return "healthy" if all(one.status == "up" for one in components) else "degraded"
