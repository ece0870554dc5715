"""A development directory and its clock. By `pytest_plugins` in a test module."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.testing import ManualClock
from tests.backends.dev_provider import ISSUER, Ask, browser_of, directory, tokens_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def dev(clock: ManualClock) -> DevDirectory:
    return directory(clock)


@pytest.fixture
def ask(dev: DevDirectory) -> Ask:
    """Call a method as a user."""
    tokens: dict[str, str] = {}

    async def call(username: str, method: str, body: Any = None, **options: Any) -> httpx2.Response:
        if username not in tokens:
            tokens[username] = (await tokens_of(dev, username))["access_token"]
        options = options or {"json": body if body is not None else {}}
        async with browser_of(dev) as client:
            client.headers["authorization"] = f"Bearer {tokens[username]}"
            return await client.post(f"{ISSUER}/{method}", **options)

    return call
