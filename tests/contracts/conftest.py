"""Every backend in turn; a new one is one more branch here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from generalbots_api.backends.memory import MemoryBus, MemoryLimiter, MemoryStorage
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.bus import Bus
from generalbots_api.limits.ports import Limiter
from generalbots_api.storage import Storage


def new_storage(name: str, folder: Path) -> Storage:
    match name:
        case "memory":
            return MemoryStorage()
        case "sqlite":
            return SqliteStorage(folder / "test.db")
    raise ValueError(f"no backend is called {name}")


@pytest.fixture(params=["memory", "sqlite"])
async def storage(request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with new_storage(request.param, tmp_path) as storage:
        yield storage


@pytest.fixture
async def limiter(anyio_backend: str) -> AsyncIterator[Limiter]:
    async with MemoryLimiter() as limiter:
        yield limiter


@pytest.fixture
async def bus(anyio_backend: str) -> AsyncIterator[Bus]:
    async with MemoryBus() as bus:
        yield bus
