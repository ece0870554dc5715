"""When a batch of writes begins: counted in turns of the event loop, not in time."""

from __future__ import annotations

import asyncio

import pytest

from generalbots_api.backends.sqlite import gathering
from generalbots_api.backends.sqlite.gathering import Gathering

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_SECONDS", 60)


async def turns_until_begun(waiting: list[int], coming: int) -> int:
    """`coming`: in how many turns of the loop one more job comes, ahead of the look at what waits."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def come(left: int) -> None:
        if left:
            waiting.append(left)
            loop.call_soon(come, left - 1)

    loop.call_soon(come, coming)
    Gathering(waiting, begun.set).start()
    turns = 0
    while not begun.is_set():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_a_job_alone_begins_in_the_next_turn() -> None:
    assert await turns_until_begun([1], coming=0) == 1


async def test_a_turn_that_brings_a_job_is_followed_by_another() -> None:
    assert await turns_until_begun([1], coming=5) == 5 + 1


async def test_a_batch_that_is_full_begins() -> None:
    waiting = [1]
    await turns_until_begun(waiting, coming=1_000)
    assert gathering.MOST_JOBS <= len(waiting) <= gathering.MOST_JOBS + 1


async def test_a_job_is_not_held_up_for_ever_by_those_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_SECONDS", 0)
    assert await turns_until_begun([1], coming=100) == 1
