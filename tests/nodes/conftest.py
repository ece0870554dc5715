"""A schema for these tests and a prefix for each, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.table import Table, table_of
from tests.nodes.stage import BUSES, Shared
from tests.support import postgres, redis


@pytest.fixture(scope="session")
def nodes_schema() -> Iterator[str]:
    postgres.needs_server()
    with postgres.new_schema() as schema:
        yield schema


@pytest.fixture(params=BUSES)
def shared(request: pytest.FixtureRequest, nodes_schema: str) -> Iterator[Shared]:
    """With each bus in turn; the limiter is Redis' in both."""
    redis.needs_server()
    with redis.new_prefix() as prefix:
        yield Shared(nodes_schema, prefix, request.param)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """The one of the faults."""
    return table_of(request)
