"""Who comes first: sends that race with the end of their session, with each other, and with a greeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
import pytest

from generalbots_api import BotInfo, Opening, Turn
from generalbots_api.conversations.model import Sender
from generalbots_api.ids import BotSessionId
from tests.chat.conftest import Stage
from tests.support.puppet import history, new_session
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def test_nothing_is_stored_after_the_end(stage: Stage) -> None:
    statuses: list[int] = []

    async def send(number: int) -> None:
        path = f"/api/conversations/{stage.session}/messages"
        statuses.append((await stage.client.post(path, json={"content": str(number)})).status_code)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(send, number)
            if number == 10:
                tasks.start_soon(stage.client.delete, f"/api/session/{stage.session}")
    with anyio.fail_after(10):
        await stage.service.gb._services.turns.idle()
    page = await stage.service.storage.log.after(BotSessionId(stage.session), 0, 100)
    senders = [message.sender for message in page.messages]
    assert senders[-1] is Sender.SYSTEM
    assert senders.count(Sender.USER) == senders.count(Sender.BOT) == statuses.count(202)
    assert set(statuses) <= {202, 404, 409}


async def test_of_two_who_interrupt_at_once_neither_waits(stage: Stage) -> None:
    path = f"/api/conversations/{stage.session}/messages"
    await stage.client.post(path, json={"content": "0"})
    await stage.puppet.began()

    async def interrupt(content: str) -> None:
        await stage.client.post(path, json={"content": content, "if_busy": "interrupt"})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt, "1")
        tasks.start_soon(interrupt, "2")
    await stage.puppet.began(3)
    stage.puppet.end()
    with anyio.fail_after(10):
        await stage.service.gb._services.turns.idle()
    replies = [message for message in await history(stage.client, stage.session) if message["sender"] == "bot"]
    assert [reply["status"] for reply in replies] == ["cancelled", "cancelled", "completed"]


@dataclass
class Greeter:
    """Greets until it is let go on."""

    info: BotInfo = BotInfo("greeter", "Greeter")
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def greet(self, opening: Opening, /) -> AsyncIterator[str]:
        yield "Wel"
        self.has_begun.set()
        await self.go_on.wait()
        yield "come"

    async def reply(self, turn: Turn, /) -> AsyncIterator[str]:
        yield "Yes"


async def test_who_does_not_want_to_wait_is_refused_while_the_bot_greets() -> None:
    greeter = Greeter()
    async with running_service(bots=[greeter]) as service, await service.bearer("alice") as client:
        session = await new_session(client, "greeter")
        await greeter.has_begun.wait()
        path, message = f"/api/conversations/{session}/messages", {"content": "Hello", "if_busy": "reject", "id": "c"}
        refused = await client.post(path, json=message)
        greeter.go_on.set()
        await service.gb._services.turns.idle()
        accepted = await client.post(path, json=message)
    assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (409, "busy")
    assert accepted.status_code == 202
