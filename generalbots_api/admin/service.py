"""Status and metrics, for administrators only."""

from __future__ import annotations

import logging
import time
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

import anyio

from generalbots_api.admin.model import Component, ComponentStatus, Metrics, SystemStatus, overall
from generalbots_api.admin.ports import FreshRoles, Measurements, Probe, Probes
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, Forbidden

log = logging.getLogger("generalbots_api.admin")

PROBE_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Admin:
    """Both methods raise Forbidden for whoever is no admin, and Unavailable while that cannot be told."""

    roles: FreshRoles
    admin_roles: Set[str]
    all_probes: Probes
    measurements: Measurements
    clock: Clock
    started_at: datetime
    version: str

    async def status(self, caller: Caller) -> SystemStatus:
        """Check every component now, all at the same time, each within 2 s."""
        await self._check(caller)
        probes = await self.all_probes.probes()
        found: dict[str, Component] = {}

        async def look(name: str, probe: Probe) -> None:
            found[name] = await self._look(name, probe)

        async with anyio.create_task_group() as tasks:
            for name, probe in probes.items():
                tasks.start_soon(look, name, probe)
        components = [found[name] for name in probes]
        uptime = (self.clock.now() - self.started_at).total_seconds()
        return SystemStatus(overall(components), self.version, uptime, self.started_at, components)

    async def metrics(self, caller: Caller) -> Metrics:
        await self._check(caller)
        return await self.measurements.metrics()

    async def _check(self, caller: Caller) -> None:
        if self.admin_roles.isdisjoint((await self.roles.confirmed(caller)).roles):
            raise Forbidden("This is for administrators")

    async def _look(self, name: str, probe: Probe) -> Component:
        started = time.perf_counter()
        status: ComponentStatus = "down"
        try:
            with anyio.fail_after(PROBE_TIMEOUT):
                status, message = await probe()
        except TimeoutError:
            message = f"no answer within {PROBE_TIMEOUT:g} s"
        except ApiError as error:
            message = error.message
        except Exception:
            log.exception("probe.failed", extra={"component": name})
            message = "the check failed; see the log"
        latency = round((time.perf_counter() - started) * 1_000, 3)
        return Component(name, status, latency, message, self.clock.now())
