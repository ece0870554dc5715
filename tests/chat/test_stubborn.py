"""A bot that does not go when it is told to holds up its own conversation only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from generalbots_api import BotInfo, EchoBot, Turn
from tests.support.puppet import new_session, talk
from tests.support.service import running_service

pytestmark = pytest.mark.anyio


@dataclass
class Stubborn:
    """Swallows its cancellation, until the test lets it go."""

    info: BotInfo = BotInfo("stubborn", "Stubborn")
    is_told: asyncio.Event = field(default_factory=asyncio.Event)
    may_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self, turn: Turn, /) -> AsyncIterator[str]:
        yield "No"
        while not self.may_go.is_set():
            try:
                await self.may_go.wait()
            except asyncio.CancelledError:
                self.is_told.set()


async def test_a_socket_is_heard_while_a_reply_does_not_stop() -> None:
    stubborn = Stubborn()
    async with running_service(bots=[stubborn, EchoBot()], settings={"turn_grace": 60}) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session, other = await new_session(client, "stubborn"), await new_session(client, "echo")
        async with talk(service, token, session) as one:
            await one.send("Hello")
            await one.hear_until("message.delta")
            await one.say({"type": "cancel", "session_id": session, "id": "k"})
            await one.say({"type": "message", "session_id": other, "content": "And you?"})
            heard = await one.hear_until("message")
            assert (heard[-1]["session_id"], stubborn.is_told.is_set()) == (other, True)
            assert "cancelled" not in {frame["type"] for frame in heard}
            stubborn.may_go.set()
            stopped, answer = await one.hear_until("message"), await one.hear_until("cancelled")
    assert (stopped[-1]["session_id"], stopped[-1]["status"]) == (session, "cancelled")
    assert (answer[-1]["id"], answer[-1]["status"]) == ("k", "cancelled")
