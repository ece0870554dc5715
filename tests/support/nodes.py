"""Several services on one storage, as a load balancer has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock
from tests.support.service import Service, new_dev, running_service
from tests.support.wire import Wire

SILENT = {"standing_max_age": 86_400, "session_idle_timeout": 86_400}  # nothing asks the Directory by itself


@dataclass
class Nodes:
    """Services on one storage, one directory and one clock, each with a way of its own to the directory."""

    services: list[Service]
    wires: list[Wire]
    clock: ManualClock

    def client(self, node: int, token: str) -> httpx2.AsyncClient:
        return self.services[node].client(headers={"Authorization": f"Bearer {token}"})

    def refreshes(self) -> int:
        return sum(wire.count("/token", grant_type="refresh_token") for wire in self.wires)


@asynccontextmanager
async def nodes(storage: Storage, number: int, **options: Any) -> AsyncIterator[Nodes]:
    """`options` are those of each service."""
    options = {"settings": SILENT, **options}
    clock = ManualClock()
    dev = new_dev(clock)
    wires = [Wire() for _ in range(number)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(storage)
        services = [
            await stack.enter_async_context(
                running_service(storage=Held(storage), clock=clock, dev=dev, wire=wire, **options)  # type: ignore[arg-type] # a Storage by delegation
            )
            for wire in wires
        ]
        yield Nodes(services, wires, clock)


class Held:
    """A storage that is open already, and is left open."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    async def __aenter__(self) -> Held:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """It is its owner's to close."""
