"""A schema of the test's own, and a way to the server that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.backends.postgres.proxy import Proxy, proxy_to
from tests.support import postgres


@pytest.fixture
def schema() -> Iterator[str]:
    postgres.needs_server()
    with postgres.new_schema() as name:
        yield name


@pytest.fixture
async def proxy(anyio_backend: str) -> AsyncIterator[Proxy]:
    postgres.needs_server()
    async with proxy_to(postgres.DSN) as proxy:
        yield proxy
