"""Bots in threads: they may block and compute, see all that others see, and cannot take more than their share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from generalbots_api import BotInfo, EchoBot, Piece, Turn
from generalbots_api.bots.handover import AHEAD
from generalbots_api.bots.running import Running
from generalbots_api.bots.threads import BotThreads, NoThread
from generalbots_api.testing import ManualTurn
from tests.bots.test_misbehaving import Bad
from tests.support.service import running_service
from tests.test_bots import ask, open_session

pytestmark = pytest.mark.anyio
INFO = BotInfo("worker", "Worker")


class Worker:
    """An ordinary generator."""

    info = INFO

    def reply(self, turn: Turn, /) -> Iterator[Piece]:
        count = turn.memory["count"] = int(str(turn.memory.get("count", 0))) + 1
        told = [message.content for message in turn.history_sync(2)]
        yield f"{count}: {told} "
        yield f"{turn.caller.user_id != ''} {turn.message.content} {threading.current_thread().name}"


class AsyncWorker:
    """An async generator that wants a thread."""

    info = INFO
    run_in_thread = True

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        count = turn.memory["count"] = int(str(turn.memory.get("count", 0))) + 1
        told = [message.content for message in await turn.history(2)]
        yield f"{count}: {told} "
        await asyncio.sleep(0)
        yield f"{turn.caller.user_id != ''} {turn.message.content} {threading.current_thread().name}"


@pytest.mark.parametrize("bot", [Worker(), AsyncWorker()])
async def test_a_bot_in_a_thread_sees_and_keeps_what_any_bot_does(bot: Any) -> None:
    async with running_service(bots=[bot]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "worker")
            first = (await ask(service, token, session, "one"))["content"]
            assert first == "1: [] True one bot worker"
            assert (await ask(service, token, session, "two"))["content"] == f"2: {['one', first]} True two bot worker"


async def test_while_threads_block_others_are_answered() -> None:
    go = threading.Event()

    def waits(turn: Turn) -> Iterator[Piece]:
        go.wait()
        yield "at last"

    async with running_service(bots=[Bad(waits), EchoBot()]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            blocked, good = await open_session(service, client, "bad"), await open_session(service, client, "echo")
            async with anyio.create_task_group() as tasks:
                answer: list[str] = []

                async def wait_for_it() -> None:
                    answer.append((await ask(service, token, blocked))["content"])

                tasks.start_soon(wait_for_it)
                assert (await ask(service, token, good))["content"] == "Hello"
                assert answer == []
                go.set()
    assert answer == ["at last"]


@dataclass
class Counting:
    """Yields numbers without end."""

    made: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    info: BotInfo = INFO

    def reply(self, turn: Turn, /) -> Iterator[Piece]:
        try:
            while True:
                self.made.append(len(self.made))
                yield str(self.made[-1])
        finally:
            self.ended.set()


async def test_a_thread_is_no_further_ahead_than_its_bound_and_ends_at_the_next_piece() -> None:
    bot, taken, full = Counting(), list[Piece](), anyio.Event()

    async def take(piece: Piece) -> None:
        taken.append(piece)
        if len(taken) == 3:
            full.set()
            await anyio.sleep_forever()

    turn = asyncio.create_task(Running().run(bot, ManualTurn("Hello"), take))
    await full.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert await asyncio.to_thread(bot.ended.wait, 10)
    assert taken == ["0", "1", "2"]
    assert len(bot.made) <= len(taken) + AHEAD + 1


async def nothing(piece: Piece) -> None:
    """Take it and forget it."""


async def test_when_every_thread_blocks_the_next_turn_fails_and_says_so_and_the_one_after_the_end_works() -> None:
    go, running = threading.Event(), Running(grace=0.05, threads=BotThreads(most=1, wait=0.05))
    at_work = threading.Event()

    def waits(turn: Turn) -> Iterator[Piece]:
        at_work.set()
        go.wait()
        yield "at last"

    blocked = asyncio.create_task(running.run(Bad(waits), ManualTurn("Hello"), nothing))
    assert await asyncio.to_thread(at_work.wait, 10)
    blocked.cancel()  # its turn is over, its thread is not
    with pytest.raises(asyncio.CancelledError):
        await blocked
    with pytest.raises(NoThread, match="all 1 threads for bots are taken"):
        await running.run(Worker(), ManualTurn("Hello"), nothing)
    patient = Running(threads=running.threads)
    patient.threads.wait = 10
    waiting = asyncio.create_task(patient.run(Worker(), ManualTurn("Hello"), nothing))
    await anyio.lowlevel.checkpoint()
    go.set()
    await waiting


async def test_many_turns_share_few_threads() -> None:
    running, at_once, most = Running(threads=BotThreads(most=3)), [0], [0]
    lock = threading.Lock()

    def counts(turn: Turn) -> Iterator[Piece]:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        yield "x"
        with lock:
            at_once[0] -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(running.run, Bad(counts), ManualTurn("Hello"), nothing)
    assert most[0] <= 3


async def test_a_thread_that_waits_for_the_history_of_an_ended_turn_ends() -> None:
    ended, asked = threading.Event(), anyio.Event()

    class Stuck(ManualTurn):
        async def history(self, limit: int = 50, /) -> Any:
            asked.set()
            await anyio.sleep_forever()

    def looks_back(turn: Turn) -> Iterator[Piece]:
        try:
            yield str(turn.history_sync())
        finally:
            ended.set()

    turn = asyncio.create_task(Running().run(Bad(looks_back), Stuck("Hello"), nothing))
    await asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert await asyncio.to_thread(ended.wait, 10)


async def test_a_bot_that_is_no_thread_is_told_not_to_wait() -> None:
    async def waits(turn: Turn) -> AsyncIterator[Piece]:
        yield str(turn.history_sync())

    async with running_service(bots=[Bad(waits)]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "bad")
            assert (await ask(service, token, session))["error"]["details"] == {"reason": "failed"}


@pytest.mark.parametrize("make", [lambda: iter("ab"), lambda: ["a", "b"]])
async def test_run_in_thread_takes_anything_to_go_through(make: Callable[[], Any]) -> None:
    @dataclass
    class Plain:
        run_in_thread = True
        info: BotInfo = INFO

        def reply(self, turn: Turn, /) -> Any:
            return make()

    taken: list[Piece] = []

    async def take(piece: Piece) -> None:
        taken.append(piece)

    await Running().run(Plain(), ManualTurn("Hello"), take)
    assert taken == ["a", "b"]


async def test_a_thread_that_could_not_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    running, taken = Running(threads=BotThreads(most=1, wait=0.05)), list[Piece]()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def take(piece: Piece) -> None:
        taken.append(piece)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await running.run(Worker(), ManualTurn("Hello"), take)
    await running.run(Worker(), ManualTurn("Hello"), take)
    assert len(taken) == 2
