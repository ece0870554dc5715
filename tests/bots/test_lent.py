"""A bot that is lent for a turn is given back once, whatever becomes of the turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from generalbots_api import BotInfo, Piece, Turn
from generalbots_api.bots.running import Running
from generalbots_api.errors import Unavailable
from generalbots_api.testing import ManualTurn
from tests.bots import test_misbehaving as bad
from tests.support.steps import Run, Scripted

pytestmark = pytest.mark.anyio


@dataclass
class Lender:
    """`bots.ports.Lends`, which counts."""

    script: Callable[[Turn], Any]
    info: BotInfo = BotInfo("lender", "Lender")
    lent: int = 0
    back: int = 0
    error: Exception | None = None  # raised when it is given back

    def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        raise NotImplementedError("it only stands for another")

    @contextmanager
    def lend(self) -> Iterator[Scripted]:
        self.lent += 1
        try:
            yield Scripted(self.script, self.info)
        finally:
            self.back += 1
            if self.error is not None:
                raise self.error


async def says(turn: Turn) -> AsyncIterator[Piece]:
    yield "So "
    await asyncio.sleep(0)
    yield "it is"


SCRIPTS = [says, bad.swallows_cancellation, bad.clings_to_its_end, bad.cancels_itself, bad.exits, bad.forgets_to_yield]


async def send(run: Run) -> None:
    with suppress(Unavailable):
        await run.send("Hello")


@pytest.mark.parametrize("is_stopped", [True, False])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_it_is_given_back_at_whatever_step_the_turn_or_the_service_is_stopped(
    script: Callable[[Turn], Any], is_stopped: bool
) -> None:
    for steps in range(0, 24):
        lender = Lender(script)
        run = Run(lender, {"turn_grace": 0.005})
        async with run.open():
            sending = asyncio.create_task(send(run))
            for _ in range(steps):
                await asyncio.sleep(0)
            if is_stopped:
                await run.conversations.stop(run.session.id)
        await sending
        await asyncio.sleep(0)
        assert lender.lent == lender.back <= 1, steps


async def test_it_is_given_back_when_the_turn_cannot_be_opened_or_its_pieces_be_taken() -> None:
    async def refuse(piece: Piece | None = None) -> Any:
        raise OSError("broken")

    async def turn() -> Any:
        return ManualTurn("Hello")

    for about, take in ((refuse, refuse), (turn, refuse)):
        lender, over = Lender(says), list[BaseException | None]()
        run = Running().begin(lender, about, take, over.append, bot_id="lender")
        await run.ended()
        assert (lender.lent, [str(error) for error in over]) == (lender.back, ["broken"])


async def test_it_is_given_back_though_a_stranger_cancels_every_task_at_once() -> None:
    lender = Lender(says)
    over: list[BaseException | None] = []
    run = Running().begin(lender, opened, ignore, over.append, bot_id="lender")
    await asyncio.sleep(0)
    run.task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (lender.lent, lender.back, len(over)) == (1, 1, 1), "and nobody has come to see to its end"


async def opened() -> Any:
    return ManualTurn("Hello")


async def ignore(piece: Piece) -> None:
    """Take it and forget it."""


async def test_a_reply_is_stored_though_its_bot_cannot_be_given_back(caplog: pytest.LogCaptureFixture) -> None:
    lender = Lender(says, error=OSError("broken"))
    run = Run(lender)
    async with run.open():
        assert (await run.answer("Hello")).content == "So it is"
    assert [record.message for record in caplog.records if record.name == "generalbots_api.bots"] == [
        "bot.not_given_back"
    ]
