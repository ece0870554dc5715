"""Turns that end with the service, at whatever point they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import TaskGroup

from generalbots_api import Caller, EchoBot
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.turns import Store, Turns
from generalbots_api.ids import BotSessionId, MessageId, UserId

pytestmark = pytest.mark.anyio


def a_job(reply_id: str) -> Job:
    caller = Caller(user_id=UserId("u1"))
    return Job(BotSessionId("s1"), MessageId(reply_id), None, EchoBot(), caller, "r1")


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
