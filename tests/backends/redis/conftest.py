"""A prefix of one's own on the Redis of the tests, and a way to it that can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.backends.redis.proxy import Proxy, open_proxy
from tests.support import redis


@pytest.fixture
def prefix() -> Iterator[str]:
    redis.needs_server()
    with redis.new_prefix() as prefix:
        yield prefix


@pytest.fixture
async def proxy(prefix: str, anyio_backend: str) -> AsyncIterator[Proxy]:
    async with open_proxy() as proxy:
        yield proxy
