"""Fixtures for every test: the event loop is asyncio's, the time is the test's."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Sets in one order, so that both processes that run the tests have the same names for them."""
    return str(sorted(val, key=repr)) if isinstance(val, set | frozenset) else None
