"""Leases: who may do a thing that only one may do, on one node or many."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class LeaseStore(Protocol):
    """Keeps leases by name. Each method is atomic; none looks at the clock.

    A backend that cannot be reached raises `Unavailable`.
    """

    async def take(self, name: str, holder: str, now: datetime, until: datetime, /) -> bool:
        """Hold it until `until`, or prolong one's own; False while another's lasts. Of racing calls one gets it."""

    async def drop(self, name: str, holder: str, /) -> None:
        """Give it back. Somebody else's, or an unknown one, is left alone."""

    async def held(self, prefix: str, /) -> dict[str, str]:
        """The holder of each lease whose name begins with `prefix`, expired ones that are not pruned yet included."""

    async def prune(self, now: datetime, /) -> int:
        """Remove those that are over; how many."""
