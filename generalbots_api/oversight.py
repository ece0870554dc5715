"""What the administrator sees: probes of every component, and the figures of every room."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from generalbots_api.admin.measuring import LoopLag, resident_bytes
from generalbots_api.admin.model import ComponentStatus, Latencies, Metrics
from generalbots_api.admin.ports import Probe
from generalbots_api.auth.ports import LoginStore
from generalbots_api.bots.model import BotStatus
from generalbots_api.bots.ports import Bot
from generalbots_api.bots.service import Bots
from generalbots_api.bus import Bus
from generalbots_api.clock import Clock
from generalbots_api.conversations.turns import Turns
from generalbots_api.directory import CircuitBreaking, Directory
from generalbots_api.errors import Unavailable
from generalbots_api.limits.ports import Limiter
from generalbots_api.limits.service import FailurePolicy
from generalbots_api.storage import Storage
from generalbots_api.web.meter import Meter
from generalbots_api.ws.service import Sockets

_BOT_STATUSES: dict[BotStatus, ComponentStatus] = {
    BotStatus.ONLINE: "up",
    BotStatus.MAINTENANCE: "degraded",
    BotStatus.OFFLINE: "down",
}

_MEANWHILE: dict[FailurePolicy, str] = {
    "open": "requests are let in without a count",
    "closed": "requests are refused",
    "local": "requests are counted by each process",
}


@dataclass(frozen=True, slots=True)
class AllProbes:
    """`admin.ports.Probes` over the backends and the bots."""

    storage: Storage
    directory: Directory | None
    limiter: Limiter
    bus: Bus
    bots: Bots
    limiter_failure: FailurePolicy

    async def probes(self) -> dict[str, Probe]:
        found = {"storage": pinging(self.storage.ping)}
        if self.directory is not None:
            found["directory"] = asking(self.directory)
        found["limiter"] = counting(self.limiter, self.limiter_failure)
        found["bus"] = pinging(self.bus.ping)
        for bot in await self.bots.catalog.all():
            found[f"bot:{bot.info.id}"] = self._bot(bot)
        return found

    def _bot(self, bot: Bot) -> Probe:
        async def probe() -> tuple[ComponentStatus, str]:
            status = await self.bots.status(bot)
            return _BOT_STATUSES[status], status.value

        return probe


def pinging(ping: Callable[[], Awaitable[None]]) -> Probe:
    async def probe() -> tuple[ComponentStatus, str]:
        await ping()
        return "up", "answers"

    return probe


def counting(limiter: Limiter, policy: FailurePolicy) -> Probe:
    """A limiter that is down is told with what happens to the requests meanwhile."""

    async def probe() -> tuple[ComponentStatus, str]:
        try:
            await limiter.ping()
        except Unavailable as error:
            return "degraded" if policy == "local" else "down", f"{error.message}; {_MEANWHILE[policy]}"
        return "up", "answers"

    return probe


def asking(directory: Directory) -> Probe:
    """Nothing is sent while the circuit is open."""

    async def probe() -> tuple[ComponentStatus, str]:
        left = directory.circuit_open_for if isinstance(directory, CircuitBreaking) else None
        if left is not None:
            return "down", f"circuit open, next try in {left} s"
        await directory.ping()
        return "up", "answers"

    return probe


@dataclass(frozen=True, slots=True)
class Figures:
    """`admin.ports.Measurements` over the rooms."""

    meter: Meter
    logins: LoginStore
    sockets: Sockets
    turns: Turns
    lag: LoopLag
    clock: Clock
    idle_timeout: timedelta
    started_unix: float

    async def metrics(self) -> Metrics:
        meter = self.meter
        return Metrics(
            uptime_seconds=round(self.clock.unix() - self.started_unix, 3),
            requests_total=meter.requests_total,
            errors_total=meter.errors_total,
            rate_limited_total=meter.rate_limited_total,
            latency_ms=Latencies(*(round(meter.quantile(part), 3) for part in (0.5, 0.95, 0.99))),
            active_sessions=await self.logins.count(self.clock.now(), self.idle_timeout),
            open_sockets=self.sockets.count,
            messages_total=meter.messages_total,
            running_replies=self.turns.running,
            memory_rss_bytes=resident_bytes(),
            cpu_seconds=round(time.process_time(), 3),
            event_loop_lag_ms=self.lag.worst_ms,
        )
