"""Two services that share a schema of PostgreSQL and keys of Redis, each with connections and a bot of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from generalbots_api.backends.postgres import PostgresBus, PostgresStorage
from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.bus import Bus
from generalbots_api.testing import ManualClock
from tests.support import postgres, redis
from tests.support.nodes import SILENT
from tests.support.puppet import Puppet, new_session
from tests.support.service import Service, new_dev, running_service

BUSES = ["redis", "postgres"]


@dataclass
class Ways:
    """Where a node finds what it shares, if not at the servers themselves."""

    storage: str = postgres.DSN
    limiter: str = redis.URL
    redis_bus: str = redis.URL
    postgres_bus: str = postgres.DSN


@dataclass
class Node:
    """One of them. Its clock is its own."""

    service: Service
    puppet: Puppet
    clock: ManualClock

    def client(self, token: str) -> httpx2.AsyncClient:
        return self.service.client(headers={"Authorization": f"Bearer {token}"})


@dataclass
class Shared:
    """What both use, and what they are told."""

    schema: str
    prefix: str
    bus: str = "redis"
    settings: dict[str, Any] = field(default_factory=dict)

    def new_bus(self, ways: Ways) -> Bus:
        if self.bus == "redis":
            return RedisBus(ways.redis_bus, self.prefix)
        return PostgresBus(ways.postgres_bus, channel=self.schema)


@asynccontextmanager
async def two_nodes(shared: Shared, *ways: Ways) -> AsyncIterator[tuple[Node, Node]]:
    """`ways`: of A and of B, if they are not the straight ones."""
    dev = new_dev(ManualClock())
    both: list[Node] = []
    async with AsyncExitStack() as stack:
        for way in ways or (Ways(), Ways()):
            puppet, clock = Puppet(), ManualClock()
            service = await stack.enter_async_context(
                running_service(
                    storage=PostgresStorage(way.storage, schema=shared.schema, pool_size=5),
                    limiter=RedisLimiter(way.limiter, shared.prefix),
                    bus=shared.new_bus(way),
                    bots=[puppet],
                    clock=clock,
                    dev=dev,
                    settings={**SILENT, **shared.settings},
                )
            )
            both.append(Node(service, puppet, clock))
        yield both[0], both[1]


@dataclass
class Alice:
    """Logged in on A; `a` and `b` are her clients at the two nodes, `session` is a conversation with the puppet."""

    token: str
    a: httpx2.AsyncClient
    b: httpx2.AsyncClient
    session: str = ""

    async def post(self, client: httpx2.AsyncClient, content: str, **fields: Any) -> httpx2.Response:
        body = {"content": content, **fields}
        return await client.post(f"/api/conversations/{self.session}/messages", json=body)


@asynccontextmanager
async def alice_on(a: Node, b: Node) -> AsyncIterator[Alice]:
    token = await a.service.token("alice")
    async with a.client(token) as on_a, b.client(token) as on_b:
        yield Alice(token, on_a, on_b, await new_session(on_a))


@asynccontextmanager
async def together(shared: Shared, *ways: Ways) -> AsyncIterator[tuple[Node, Node, Alice]]:
    """Two nodes, and Alice with a session."""
    async with two_nodes(shared, *ways) as (a, b), alice_on(a, b) as alice:
        yield a, b, alice
