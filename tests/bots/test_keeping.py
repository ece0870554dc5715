"""Bots that are async context managers are open while the service is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

import anyio
import pytest

from generalbots_api import BotInfo, EchoBot
from generalbots_api.bots.listing import BotList
from tests.support.process import END_TIMEOUT
from tests.support.service import running_service

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Door(EchoBot):
    """Says when it is opened and closed, and in which task."""

    info: BotInfo = BotInfo("door", "Door")
    said: list[str] = field(default_factory=list)
    tasks: set[object] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self.said.append(f"{self.info.id} opens")
        self.tasks.add(asyncio.current_task())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.said.append(f"{self.info.id} closes")
        self.tasks.add(asyncio.current_task())


class Jammed(Door):
    async def __aenter__(self) -> Self:
        raise OSError("jammed")


class Stuck(Door):
    async def __aexit__(self, *exc_info: object) -> None:
        await anyio.sleep_forever()


async def test_a_bot_is_opened_before_the_first_request_and_closed_after_the_last_by_one_task() -> None:
    door = Door()
    async with running_service(bots=[door, EchoBot()]):
        assert door.said == ["door opens"]
    assert door.said == ["door opens", "door closes"]
    assert len(door.tasks) == 1


async def test_a_bot_that_cannot_be_opened_keeps_the_service_from_starting_and_those_before_it_are_closed() -> None:
    said: list[str] = []
    bots = [Door(BotInfo("a", "A"), said), Jammed(BotInfo("b", "B"), said), Door(BotInfo("c", "C"), said)]
    with pytest.raises(OSError, match="jammed"):
        async with running_service(bots=bots):
            pass
    assert said == ["a opens", "a closes"]


async def test_a_bot_that_never_opens_is_named_and_those_before_it_are_closed() -> None:
    class Waits(Door):
        async def __aenter__(self) -> Self:
            await anyio.sleep_forever()
            return self

    said: list[str] = []
    bots = BotList((Door(BotInfo("a", "A"), said), Waits(BotInfo("b", "B"), said)), opening=0.05)
    with pytest.raises(TimeoutError, match="bot b did not open"):
        await bots.__aenter__()
    assert said == ["a opens", "a closes"]


async def test_a_bot_that_never_closes_does_not_hold_up_the_end() -> None:
    with anyio.fail_after(END_TIMEOUT):
        async with running_service(bots=[Stuck()], settings={"turn_grace": 0.05}):
            pass


async def test_a_service_that_starts_again_opens_its_bots_again() -> None:
    door = Door()
    async with running_service(bots=[door]) as service:
        pass
    async with service.gb.lifespan():
        pass
    assert door.said == ["door opens", "door closes"] * 2
