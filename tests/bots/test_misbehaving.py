"""Whatever a bot does ends with its turn: no other conversation, request or shutdown waits for it."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from generalbots_api import BotInfo, BotStatus, Caller, EchoBot, Piece, Suggestions, Turn
from generalbots_api.bots.listing import BotList
from generalbots_api.bots.outliving import end
from generalbots_api.bots.service import Bots
from generalbots_api.ids import UserId
from generalbots_api.testing import ManualClock
from tests.support.process import END_TIMEOUT, ROOT
from tests.support.service import running_service
from tests.support.steps import Run
from tests.test_bots import ask, history, open_session

pytestmark = pytest.mark.anyio


@dataclass
class Bad:
    """A bot whose `reply` is whatever a test gives."""

    reply: Callable[[Turn], Any]
    info: BotInfo = BotInfo("bad", "Bad")


async def swallows_cancellation(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    while True:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            continue


async def speaks_on_after_cancellation(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    while True:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            yield "not me"


async def never_finishes_its_end(turn: Turn) -> AsyncIterator[Piece]:
    try:
        while True:
            yield "x" * 1_000
    finally:
        await anyio.sleep_forever()


async def clings_to_its_end(turn: Turn) -> AsyncIterator[Piece]:
    try:
        await anyio.sleep_forever()
        yield "never"
    finally:
        while True:
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                continue


async def cancels_itself(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.sleep_forever()


async def raises_cancelled(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    raise asyncio.CancelledError


async def exits(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    sys.exit(3)


async def raises_a_group(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    raise BaseExceptionGroup("all of it", [SystemExit(3)])


async def yields_bytes(turn: Turn) -> AsyncIterator[Piece]:
    yield b"so far"  # type: ignore[misc] # that is the point


async def suggests_numbers(turn: Turn) -> AsyncIterator[Piece]:
    yield Suggestions((1, 2))  # type: ignore[arg-type] # that is the point


async def yields_blanks(turn: Turn) -> AsyncIterator[Piece]:
    while True:
        yield ""


async def yields_a_huge_piece(turn: Turn) -> AsyncIterator[Piece]:
    yield "x" * 50_000_000


async def forgets_to_yield(turn: Turn) -> str:
    return "Hello"


def gives_a_list(turn: Turn) -> list[str]:
    return ["Hello"]


def raises_at_once(turn: Turn) -> AsyncIterator[Piece]:
    raise RuntimeError("before the first piece")


def blocks_a_thread(turn: Turn) -> Iterator[Piece]:
    yield "so far"
    threading.Event().wait()


def floods_from_a_thread(turn: Turn) -> Iterator[Piece]:
    while True:
        yield "x" * 1_000


def exits_in_a_thread(turn: Turn) -> Iterator[Piece]:
    yield "so far"
    sys.exit(3)


def raises_in_a_thread(turn: Turn) -> Iterator[Piece]:
    yield "so far"
    raise ValueError("a secret of the bot")


QUICK = {"turn_timeout": 0.5, "turn_grace": 0.05}  # for the bots of other conversations too: time enough under load
SHORT = {"reply_max_chars": 10_000, "turn_grace": 0.05}


@pytest.mark.parametrize(
    ("reply", "settings", "reason"),
    [
        (swallows_cancellation, QUICK, "timeout"),
        (speaks_on_after_cancellation, QUICK, "timeout"),
        (clings_to_its_end, QUICK, "timeout"),
        (never_finishes_its_end, SHORT, "too_long"),
        (cancels_itself, {}, "failed"),
        (raises_cancelled, {}, "failed"),
        (exits, {}, "failed"),
        (raises_a_group, {}, "failed"),
        (yields_bytes, {}, "failed"),
        (suggests_numbers, {}, "failed"),
        (yields_blanks, {}, "failed"),
        (yields_a_huge_piece, SHORT, "too_long"),
        (forgets_to_yield, {}, "failed"),
        (gives_a_list, {}, "failed"),
        (raises_at_once, {}, "failed"),
        (blocks_a_thread, QUICK, "timeout"),
        (floods_from_a_thread, SHORT, "too_long"),
        (exits_in_a_thread, {}, "failed"),
        (raises_in_a_thread, {}, "failed"),
    ],
)
async def test_whatever_a_bot_does_its_reply_fails_and_the_next_conversation_goes_on(
    reply: Callable[[Turn], Any], settings: dict[str, Any], reason: str
) -> None:
    async with running_service(bots=[Bad(reply), EchoBot()], settings=settings) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            bad, good = await open_session(service, client, "bad"), await open_session(service, client, "echo")
            failed = await ask(service, token, bad)
            assert failed["error"]["details"] == {"reason": reason}
            assert "secret" not in str(failed)
            assert (await ask(service, token, good))["content"] == "Hello"
            assert (await client.get("/health")).status_code == 200
            stored = (await history(client, bad))[1]
    assert (stored["status"], "not me" in stored["content"]) == ("failed", False)


async def test_a_bot_that_goes_on_after_its_end_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with running_service(bots=[Bad(swallows_cancellation)], settings=QUICK) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "bad")
            with caplog.at_level(logging.ERROR, "generalbots_api.bots"):
                await ask(service, token, session)
    told = [record for record in caplog.records if record.message == "task.abandoned"]
    assert [vars(record)["task"] for record in told] == [f"turn of bot bad in {session}"]


@pytest.mark.parametrize("reply", [swallows_cancellation, clings_to_its_end, floods_from_a_thread, blocks_a_thread])
async def test_a_reply_that_runs_does_not_hold_up_the_end_of_the_service(reply: Callable[[Turn], Any]) -> None:
    settings = {"turn_grace": 0.05, "reply_max_chars": 10**9}
    with anyio.fail_after(END_TIMEOUT):
        async with running_service(bots=[Bad(reply)], settings=settings) as service:
            token = await service.token("alice")
            async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
                session = await open_session(service, client, "bad")
                async with service.socket(token) as socket:
                    await socket.send_text(f'{{"type": "message", "content": "Hello", "session_id": "{session}"}}')
                    while not await history(client, session):
                        await anyio.lowlevel.checkpoint()


ENDS = """
import anyio
from tests.bots import test_misbehaving as bad
from tests.support.service import running_service
from tests.support.steps import Run
async def main():
    bots = [bad.Bad(getattr(bad, name), bad.BotInfo(name, name)) for name in bad.FOR_EVER]
    async with running_service(bots=bots, settings=bad.QUICK) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            async with anyio.create_task_group() as tasks:
                for name in bad.FOR_EVER:
                    session = await bad.open_session(service, client, name)
                    tasks.start_soon(bad.ask, service, token, session)
anyio.run(main)
print("ended")
"""
FOR_EVER = ["swallows_cancellation", "clings_to_its_end", "speaks_on_after_cancellation", "blocks_a_thread"]


@pytest.mark.server
def test_a_process_ends_though_bots_go_on_for_ever_in_tasks_and_threads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS], cwd=ROOT, capture_output=True, text=True, timeout=6 * END_TIMEOUT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "destroyed" not in done.stderr


async def test_a_bot_whose_health_never_answers_is_offline_and_the_others_are_listed() -> None:
    @dataclass(frozen=True)
    class Mute(EchoBot):
        info: BotInfo = BotInfo("mute", "Mute")

        async def health(self) -> BotStatus:
            while True:
                try:
                    await anyio.sleep_forever()
                except asyncio.CancelledError:
                    continue

    bots = Bots(BotList((Mute(), EchoBot())), ManualClock(), health_timeout=0.05)
    listed = await bots.listed(Caller(user_id=UserId("1")))
    assert [(bot.info.id, bot.status) for bot in listed] == [("mute", "offline"), ("echo", "online")]


async def test_who_is_cancelled_while_a_bot_ends_sees_it_to_its_end() -> None:
    """Natively, as `asyncio.timeout` does: a bot that was left alone then would hold up the end of the process."""
    let_go, begun = asyncio.Event(), asyncio.Event()

    async def clings() -> None:
        try:
            begun.set()
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            await let_go.wait()

    task = asyncio.create_task(clings())
    await begun.wait()
    ending = asyncio.create_task(end(task, 3_600))
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
        ending.cancel()
    await anyio.wait_all_tasks_blocked()
    assert (task.done(), ending.done()) == (False, False)
    let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert task.done()


class Forgetful:
    """Knows who it is for as long as its record is there."""

    is_gone = False

    @property
    def info(self) -> BotInfo:
        if self.is_gone:
            raise KeyError("forgetful")
        return BotInfo("forgetful", "Forgetful")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        self.is_gone = True
        yield "Who am I?"


async def test_a_bot_that_cannot_say_any_more_who_it_is_has_its_reply_stored() -> None:
    bot = Forgetful()
    async with running_service(bots=[bot]) as service, await service.bearer("alice") as client:
        session = await open_session(service, client, "forgetful")
        path = f"/api/conversations/{session}/messages"
        answered = await client.post(path, json={"content": "Hello"}, headers={"Prefer": "wait=5"})
        bot.is_gone = False
    assert answered.json()["reply"]["content"] == "Who am I?"


async def ends_its_generator(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far"
    raise GeneratorExit


async def test_what_a_bot_raises_is_looked_at_whatever_it_is(caplog: pytest.LogCaptureFixture) -> None:
    run = Run(Bad(ends_its_generator))
    async with run.open():
        assert (await run.answer("Hello")).status == "failed"
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]
