"""A job goes on in the task that awaits it as if it had begun there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from runner.serving.begun import Begun, begin

pytestmark = pytest.mark.anyio


async def job(said: list[str], *waits: Awaitable[object]) -> None:
    said.append("begun")
    for one in waits:
        try:
            await one
        except (ValueError, asyncio.CancelledError) as error:
            said.append(type(error).__name__)
        else:
            said.append("waited")


def half(said: list[str], *waits: Awaitable[object]) -> Begun:
    begun = begin(job(said, *waits))
    assert begun is not None
    return begun


async def test_what_waits_for_nothing_is_done_at_once() -> None:
    said: list[str] = []
    assert begin(job(said)) is None
    assert said == ["begun"]


async def test_what_waits_goes_on_where_it_is_awaited() -> None:
    said: list[str] = []
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun = half(said, first, asyncio.sleep(0), asyncio.sleep(0.001))
    first.set_result(None)  # before anybody awaits it
    assert said == ["begun"]
    await begun
    assert said == ["begun", "waited", "waited", "waited"]


async def test_what_goes_wrong_meanwhile_is_told_to_the_job() -> None:
    said: list[str] = []
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun = half(said, first, asyncio.sleep(0))
    first.set_exception(ValueError())
    await begun
    assert said == ["begun", "ValueError", "waited"]


async def test_a_cancellation_reaches_the_job_each_time() -> None:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    begun = half(said, loop.create_future(), loop.create_future())

    async def awaiting() -> None:
        await begun

    task = asyncio.create_task(awaiting())
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    await task
    assert said == ["begun", "CancelledError", "CancelledError"]


async def test_an_error_of_the_job_is_raised_where_it_is_awaited() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    begun = begin(fails())
    assert begun is not None
    with pytest.raises(ValueError, match="no"):
        await begun
