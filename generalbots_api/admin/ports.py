"""What the administrator's room needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from generalbots_api.admin.model import ComponentStatus, Metrics
from generalbots_api.caller import Caller

Probe = Callable[[], Awaitable[tuple[ComponentStatus, str]]]
"""Looks at one component now; to raise means that it is down."""


class Probes(Protocol):
    async def probes(self) -> dict[str, Probe]:
        """A probe for each component, by its name."""


class Measurements(Protocol):
    async def metrics(self) -> Metrics:
        """The figures as they are now."""


class FreshRoles(Protocol):
    async def confirmed(self, caller: Caller, /) -> Caller:
        """The caller with roles that the Directory gave lately.

        Raises:
            Unavailable: it cannot be asked.
            Unauthorized: the login is over.
        """
