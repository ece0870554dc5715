"""A service that counts by a Redis which may fall ill, and what it says of that."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest

from generalbots_api.backends.redis import RedisLimiter
from tests.backends.redis.proxy import Proxy, told
from tests.support.service import Service, running_service


@asynccontextmanager
async def ward(proxy: Proxy, prefix: str, **settings: Any) -> AsyncIterator[Service]:
    async with running_service(limiter=RedisLimiter(proxy.url, prefix), settings=settings) as service:
        yield service


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the service logged that needs somebody's attention."""
    return [
        record.message
        for record in caplog.records
        if record.name.startswith("generalbots_api") and record.levelno >= logging.WARNING
    ]


async def first_counted(client: httpx2.AsyncClient, uncounted: str) -> str:
    """Ask until Redis counts again: what remains then. `uncounted` is what is told meanwhile."""

    async def ask() -> str:
        return str((await client.get("/health")).headers["x-ratelimit-remaining"])

    return await told(ask, lambda remaining: remaining != uncounted)


async def component(admin: httpx2.AsyncClient, name: str) -> tuple[str, str, str]:
    """What the whole is said to be, and the component, and why."""
    status = (await admin.get("/api/admin/system/status")).json()
    found = next(one for one in status["components"] if one["name"] == name)
    return status["status"], found["status"], found["message"]


async def up_again(admin: httpx2.AsyncClient, name: str) -> tuple[str, str, str]:
    return await told(partial(component, admin, name), lambda found: found[1] == "up")
