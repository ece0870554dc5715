"""Fixtures for every test: the event loop is asyncio's, the time is the test's."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
