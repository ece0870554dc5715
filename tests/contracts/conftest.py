"""Every backend in turn; a new one is one more branch here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from generalbots_api.backends.memory import MemoryBus, MemoryLimiter, MemoryStorage
from generalbots_api.backends.postgres import PostgresBus, PostgresStorage
from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.bus import Bus
from generalbots_api.limits.ports import Limiter
from generalbots_api.storage import Storage
from tests.support import postgres, redis


def new_storage(name: str, request: pytest.FixtureRequest) -> Storage:
    match name:
        case "memory":
            return MemoryStorage()
        case "sqlite":
            folder: Path = request.getfixturevalue("tmp_path")
            return SqliteStorage(folder / "test.db")
        case "postgres":
            schema: str = request.getfixturevalue("postgres_schema")
            postgres.empty(schema)
            return PostgresStorage(postgres.DSN, schema=schema, timeout=30)
    raise ValueError(f"no backend is called {name}")


def new_bus(name: str, request: pytest.FixtureRequest) -> Bus:
    match name:
        case "memory":
            return MemoryBus()
        case "postgres":
            return PostgresBus(postgres.DSN, channel=request.getfixturevalue("postgres_schema"))
        case "redis":
            return RedisBus(redis.URL, request.getfixturevalue("redis_prefix"))
    raise ValueError(f"no bus is called {name}")


def new_limiter(name: str, request: pytest.FixtureRequest) -> Limiter:
    match name:
        case "memory":
            return MemoryLimiter()
        case "redis":
            return RedisLimiter(redis.URL, request.getfixturevalue("redis_prefix"))
    raise ValueError(f"no limiter is called {name}")


@pytest.fixture
def redis_prefix() -> Iterator[str]:
    redis.needs_server()
    with redis.new_prefix() as prefix:
        yield prefix


@pytest.fixture(scope="session")
def postgres_schema() -> Iterator[str]:
    postgres.needs_server()
    with postgres.new_schema() as schema:
        yield schema


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def storage(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Storage]:
    async with new_storage(request.param, request) as storage:
        yield storage


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Limiter]:
    async with new_limiter(request.param, request) as limiter:
        yield limiter


@pytest.fixture(params=["memory", "postgres", "redis"])
async def bus(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Bus]:
    async with new_bus(request.param, request) as bus:
        yield bus
