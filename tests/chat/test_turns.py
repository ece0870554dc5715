"""Turns that end with the service, at whatever point they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import TaskGroup

from generalbots_api import Caller, EchoBot
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.turns import Background, Store, Turns
from generalbots_api.ids import BotId, BotSessionId, MessageId, UserId

pytestmark = pytest.mark.anyio


def a_job(reply_id: str) -> Job:
    caller = Caller(user_id=UserId("u1"))
    return Job(BotSessionId("s1"), MessageId(reply_id), None, EchoBot(), BotId("echo"), caller, "r1")


@dataclass
class Answers:
    """The bot is over as soon as it has begun; to store its reply takes for ever."""

    stored: list[str] = field(default_factory=list)

    def begin(self, job: Job, over: Callable[[Store], None], /) -> None:
        async def store() -> None:
            self.stored.append(job.reply_id)
            if not job.is_interrupted:
                await asyncio.Event().wait()

        over(store)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5])
async def test_a_reply_that_is_about_to_be_stored_gets_its_last_words(steps: int) -> None:
    answers, first, second = Answers(), a_job("first"), a_job("second")
    async with anyio.create_task_group() as tasks:
        turns = Turns(answers, tasks.start_soon)
        turns.start(first)
        turns.start(second)
        for _ in range(steps):
            await asyncio.sleep(0)
        tasks.cancel_scope.cancel()
    assert answers.stored == ["first"], "and the second is left for the next start"
    assert (first.done.is_set(), second.done.is_set(), turns.running) == (True, True, 0)


async def test_turns_go_on_in_another_opening_of_the_service() -> None:
    answers, job, opened = Answers(), a_job("again"), list[TaskGroup]()
    turns = Turns(answers, lambda job: opened[-1].start_soon(job))  # noqa: PLW0108 # the newest of them
    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            opened.append(tasks)
            turns.start(job)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert answers.stored == ["again", "again"]


@dataclass
class Begun:
    """Notes what is begun; nothing of it ends by itself."""

    begun: list[str] = field(default_factory=list)
    overs: list[Callable[[Store], None]] = field(default_factory=list)

    def begin(self, job: Job, over: Callable[[Store], None], /) -> None:
        self.begun.append(job.reply_id)
        self.overs.append(over)


def kept_by(keepers: list[asyncio.Task[None]]) -> Background:
    """Runs the keeper of turns as a task of its own, to be cancelled by the test."""

    def background(job: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await job()

        keepers.append(asyncio.create_task(run()))

    return background


async def some_steps() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def waits() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    """Store it."""


def test_a_session_whose_turn_died_with_its_event_loop_is_answered_on_the_next_one() -> None:
    answers, keepers = Begun(), list[asyncio.Task[None]]()

    async def run(reply_id: str, store: Store) -> None:
        turns.start(a_job(reply_id))
        answers.overs[-1](store)
        await some_steps()
        if store is at_once:
            keepers[-1].cancel()
            await asyncio.wait(keepers[-1:], timeout=10)
            assert keepers[-1].done(), "nothing of the other loop is waited for"

    turns = Turns(answers, kept_by(keepers))
    lost = asyncio.new_event_loop()
    lost.run_until_complete(run("lost", waits))
    lost.close()
    asyncio.run(run("found", at_once))
    assert (answers.begun, turns.running) == (["lost", "found"], 0)
    for task in asyncio.all_tasks(lost):  # or it is told of at exit that nobody ended them
        task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_turns_begin_again_though_the_end_of_the_last_ones_was_cut_short() -> None:
    """By `asyncio.run`, say, that cancels every task natively, whatever shields it."""
    answers, keepers, may_go = Begun(), list[asyncio.Task[None]](), asyncio.Event()

    async def clings() -> None:
        try:
            await may_go.wait()
        finally:
            await may_go.wait()

    turns = Turns(answers, kept_by(keepers))
    turns.start(a_job("first"))
    answers.overs[0](clings)
    turns.start(a_job("second"))
    for _ in range(2):
        await anyio.wait_all_tasks_blocked()
        keepers[0].cancel()
    await asyncio.wait(keepers)
    may_go.set()
    await some_steps()
    turns.start(a_job("third"))
    assert (answers.begun, len(keepers)) == (["first", "third"], 2)


async def test_a_stranger_who_cancels_what_stores_a_reply_does_not_keep_it_from_being_stored() -> None:
    """As a host does that cancels every task there is; those behind it would wait for its reply for ever."""
    answers, stored = Begun(), list[str]()

    async def store() -> None:
        stored.append("first")

    async with anyio.create_task_group() as tasks:
        turns = Turns(answers, tasks.start_soon)
        turns.start(first := a_job("first"))
        turns.start(a_job("second"))
        answers.overs[0](store)
        for task in asyncio.all_tasks():
            if task.get_name() == "a reply to be stored":
                task.cancel()  # before its first step
        await some_steps()
        assert (stored, answers.begun, first.done.is_set()) == (["first"], ["first", "second"], True)
        answers.overs[1](at_once)
        await some_steps()
        tasks.cancel_scope.cancel()
    assert turns.running == 0


asked_by: ContextVar[str] = ContextVar("asked_by")


async def test_each_turn_runs_in_the_context_of_its_own_request() -> None:
    """And not in that of the bot before it, which may have left anything there, such as the span of a trace."""
    seen: list[str] = []

    class Looks:
        def begin(self, job: Job, over: Callable[[Store], None], /) -> None:
            async def run() -> None:
                seen.append(asked_by.get())
                asked_by.set("whoever")
                over(at_once)

            begun.append(asyncio.create_task(run()))

    begun: list[asyncio.Task[None]] = []
    async with anyio.create_task_group() as tasks:
        turns = Turns(Looks(), tasks.start_soon)
        for name in ("one", "two", "three"):
            asked_by.set(name)
            turns.start(a_job(name))
        await turns.idle()
        tasks.cancel_scope.cancel()
    assert seen == ["one", "two", "three"]
