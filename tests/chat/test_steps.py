"""A turn that is cut off at each of its steps, by whatever there is: its message has one reply, and no other waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from generalbots_api import Piece, Turn
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.sending import Sending
from generalbots_api.errors import ApiError, Unavailable
from tests.support.steps import ALICE, Greeting, Run, Scripted

pytestmark = pytest.mark.anyio
MOST_STEPS = 45


async def says(turn: Turn) -> AsyncIterator[Piece]:
    yield "So "
    await asyncio.sleep(0)
    yield "it is"


async def fails(turn: Turn) -> AsyncIterator[Piece]:
    yield "So "
    raise ValueError("not today")


async def hesitates(turn: Turn) -> AsyncIterator[Piece]:
    yield "So "
    await asyncio.Event().wait()


async def hesitates_to_end(turn: Turn) -> AsyncIterator[Piece]:
    try:
        yield "So "
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()


async def nothing(run: Run) -> None:
    """Is done meanwhile."""


async def stop(run: Run) -> None:
    await run.conversations.stop(run.session.id)


async def end(run: Run) -> None:
    await run.conversations.sessions.end(ALICE, run.session.id)


async def send(run: Run) -> None:
    with suppress(ApiError):  # the session has ended
        await run.send("Hello")


@pytest.mark.parametrize("meanwhile", [nothing, stop, end])
@pytest.mark.parametrize("bot", [Scripted(says), Scripted(fails), Scripted(hesitates), Greeting(says)])
async def test_a_service_that_stops_at_any_step_leaves_one_reply_or_none(
    bot: Any, meanwhile: Callable[[Run], Any]
) -> None:
    for steps in range(MOST_STEPS):
        run = Run(bot)
        async with run.open():
            tasks = [asyncio.create_task(send(run)), asyncio.create_task(send(run))]
            for step in range(steps):
                await asyncio.sleep(0)
                if step == steps // 2:
                    tasks.append(asyncio.create_task(meanwhile(run)))
        _, late = await asyncio.wait(tasks, timeout=10)
        assert not late
        await some_steps()
        await run.check(may_wait=True)
        async with run.gb.lifespan():
            await run.check(may_wait=False)


async def some_steps() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.001,) * 5)
    monkeypatch.setattr("generalbots_api.conversations.answering.STORE_DELAYS", (0.001,) * 4)


class Failing:
    """Fails some calls to the log of one name, and then no more."""

    def __init__(self, name: str, when: str, error: BaseException, times: int) -> None:
        self._place, self._error, self._left = (name, when), error, times

    def __call__(self, name: str, when: str) -> None:
        if (name, when) == self._place and self._left > 0:
            self._left -= 1
            raise self._error


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("error", [Unavailable("Gone"), OSError("broken"), asyncio.CancelledError()])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["add_message", "behind", "memory", "add_reply", "message"])
async def test_a_storage_that_fails_at_any_call_holds_up_a_conversation_no_longer_than_it_fails(
    name: str, when: str, error: BaseException, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    run = Run(Scripted(says))
    async with run.open():
        run.log.fault = Failing(name, when, error, times)
        for content in ("one", "two"):
            with suppress(Unavailable, OSError, asyncio.CancelledError):
                await run.send(content)
        await asyncio.sleep(0.02)
        run.log.fault = None
        assert (await run.answer("And now?")).content == "So it is"
        await asyncio.sleep(0.02)
        await run.check(may_wait=False)


async def test_a_message_found_when_its_session_has_ended_is_not_given_to_the_bot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.02,) * 5)
    run = Run(Scripted(says))
    async with run.open():
        run.log.fault = Failing("add_message", "after", Unavailable("Gone"), 1)
        with suppress(Unavailable):
            await run.send("one")
        await end(run)
        await run.reading.history(ALICE, run.session.id, 100, after=2, wait=10)
        stored = [(message.sender, message.content, message.status) for message in await run.messages()]
    assert stored == [("user", "one", "completed"), ("system", "deleted", "completed"), ("bot", "", "cancelled")]


async def test_a_reply_that_is_stopped_while_its_failed_bot_ends_is_cancelled() -> None:
    ending = asyncio.Event()

    async def fails_slowly(turn: Turn) -> AsyncIterator[Piece]:
        try:
            yield "x" * 20
        finally:
            ending.set()
            await asyncio.Event().wait()

    run = Run(Scripted(fails_slowly), {"reply_max_chars": 10, "turn_grace": 0.05})
    async with run.open():
        await run.send("one")
        await ending.wait()
        await stop(run)
        [_, reply] = await run.messages()
    assert (reply.content, reply.status, reply.error) == ("x" * 10, "cancelled", None)


async def test_a_host_that_cancels_every_task_interrupts_the_replies() -> None:
    """As `asyncio.run` does at its end: no bot has failed then."""
    run = Run(Scripted(hesitates))
    async with run.open():
        await run.send("one")
        await some_steps()
        for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name() != "scripted"):
            if task is not asyncio.current_task() and task.get_name() in ("scripted", KEEPER):
                task.cancel()
        await some_steps()
        [_, reply] = await run.messages()
    assert (reply.content, reply.status) == ("So ", "interrupted")


KEEPER = "generalbots_api.web.lifespan._guarded"


async def test_a_reply_that_is_stopped_as_its_turn_comes_is_not_told_of_as_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor as being typed later, when its end was told long ago."""
    monkeypatch.setattr("generalbots_api.conversations.patience.TYPING_SECONDS", 0.01)
    waiting, go, heard = asyncio.Event(), asyncio.Event(), list[str]()

    async def wait(job: Job) -> None:
        waiting.set()
        await go.wait()

    run = Run(Scripted(says))
    monkeypatch.setattr(run.conversations.turns, "answers", replace(run.gb._services.turns.answers, others=wait))  # type: ignore[type-var] # it is an Answering
    async with run.open():
        run.log.fault = Failing("add_message", "after", Unavailable("Gone"), 1)
        monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.001,))
        with suppress(Unavailable):
            await run.send("one")
        await waiting.wait()
        run.conversations.feed.listen(run.session.id, lambda event: heard.append(type(event.what).__name__))
        go.set()
        await stop(run)
        await asyncio.sleep(0.05)
    assert heard == ["Stored"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_a_message_is_acknowledged_first_though_the_tasks_of_the_host_are_eager() -> None:
    run, heard, loop = Run(Scripted(says)), list[str](), asyncio.get_running_loop()
    run.log.steps = 0
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined] # there is one, see above
    try:
        async with run.open():
            run.conversations.feed.listen(run.session.id, lambda event: heard.append(type(event.what).__name__))
            sending = Sending(session_id=run.session.id, content="one")
            await run.conversations.send(ALICE, sending, "r", on_stored=lambda _: heard.append("ack"))
            await run.reading.history(ALICE, run.session.id, 100, after=1, wait=10)
    finally:
        loop.set_task_factory(None)
    assert heard == ["Stored", "ack", "Started", "Delta", "Delta", "Stored"]
