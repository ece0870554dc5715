"""A turn leaves nothing behind that only the cyclic collector could free: on a busy node it would run all the time."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from generalbots_api import BotInfo, Caller, Turn
from generalbots_api.conversations.sending import Sending
from generalbots_api.conversations.service import Conversations
from generalbots_api.ids import BotId, UserId
from generalbots_api.sessions.model import BotSession
from tests.support.service import running_service

pytestmark = pytest.mark.anyio
ALICE = Caller(user_id=UserId("alice"))
TURNS = 50


@dataclass(frozen=True)
class Says:
    reply: Callable[[Turn], Any]
    info: BotInfo = BotInfo("says", "Says")


async def answers(turn: Turn) -> AsyncIterator[str]:
    yield "So "
    await asyncio.sleep(0)
    yield "it is"


async def remembers(turn: Turn) -> AsyncIterator[str]:
    turn.memory["last"] = turn.message.content
    yield "Noted"


async def fails(turn: Turn) -> AsyncIterator[str]:
    yield "So "
    raise ValueError("not today")


async def hesitates(turn: Turn) -> AsyncIterator[str]:
    yield "So "
    await asyncio.Event().wait()


def computes(turn: Turn) -> Iterator[str]:
    yield "42"


async def talk(conversations: Conversations, session: BotSession, *, is_stopped: bool) -> None:
    """Two messages at once, so that one waits behind the other."""
    for content in ("one", "two"):
        added = await conversations.send(ALICE, Sending(session_id=session.id, content=content), "r")
    while await conversations.log.message(session.id, added.message.reply_id or session.id) is None:  # type: ignore[arg-type]
        await asyncio.sleep(0)
        if is_stopped:
            await conversations.stop(session.id)


@pytest.mark.parametrize("reply", [answers, remembers, fails, hesitates, computes])
async def test_a_turn_makes_no_cyclic_garbage(reply: Callable[[Turn], Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "generalbots_api")  # a record that is kept keeps the frames of a failure
    async with running_service(bots=[Says(reply)]) as service:
        conversations = service.gb._services.conversations
        session = await conversations.sessions.open(ALICE, BotId("says"))
        await talk(conversations, session, is_stopped=reply is hesitates)
        gc.collect()
        gc.disable()
        try:
            for _ in range(TURNS):
                await talk(conversations, session, is_stopped=reply is hesitates)
            found = gc.collect()
        finally:
            gc.enable()
    assert found < TURNS, "not as much as one object of a turn"
