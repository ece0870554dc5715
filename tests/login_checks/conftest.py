"""A service before a provider that lies as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.login_checks.stage import Stage, staged


@pytest.fixture
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage
