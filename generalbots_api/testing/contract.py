"""What the contracts share: the event loop, the time, and many tasks at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import anyio
import pytest

T = TypeVar("T")

NOON = datetime(2026, 1, 20, 12, 0, 0, 123_456, tzinfo=UTC)  # no store may round it
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

HOSTILE = (
    "a/b",
    "../../etc/passwd",
    "'; DROP TABLE logins; --",
    "nul\x00in the middle",
    "nul\x00in the other",
    "üñí 😀 \u202e\ufeff",
    "U\u0308",  # the same to a reader as the next one, and another id
    "\u00dc",
    "u",
    "U",
    " u",
    "u ",
    "*?%_[]",
    "9" * 30,
    "é" * 32_768,  # 64 KiB
)
"""Ids that are all different, and that a store might take for one another or for something else."""

LONE_SURROGATE = "half \ud800 of a pair"


class Contract:
    """Runs on asyncio by anyio's plugin, whose mark it bears."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"


async def at_once(*calls: Callable[[], Awaitable[T]]) -> list[T]:
    """Run them all side by side; what each returned, in their order."""
    results: dict[int, T] = {}

    async def run(number: int, call: Callable[[], Awaitable[T]]) -> None:
        results[number] = await call()

    async with anyio.create_task_group() as group:
        for number, call in enumerate(calls):
            group.start_soon(run, number, call)
    return [results[number] for number in range(len(calls))]
