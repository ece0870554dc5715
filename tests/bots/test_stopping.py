"""To stop a reply and to greet, over the door: with bots that obey, that do not, and that speak to somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from generalbots_api import BotInfo, EchoBot, Opening, Piece, Turn
from generalbots_api.backends.openai import OpenAIBot
from generalbots_api.backends.webhook import WebhookBot
from tests.bots import test_misbehaving as bad
from tests.bots.test_openai import data, delta, for_ever
from tests.bots.upstream import Asked, Given, upstream
from tests.support.process import END_TIMEOUT
from tests.support.service import running_service
from tests.test_bots import history

pytestmark = pytest.mark.anyio
INFO = BotInfo("bad", "Bad")


@asynccontextmanager
async def conversation(bot: Any, **settings: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, str]]:
    """Alice's, with the bot."""
    async with running_service(bots=[bot], settings=settings) as service, await service.bearer("alice") as client:
        opened = await client.post("/api/session/create", json={"bot_id": bot.info.id})
        yield client, opened.json()["session_id"]


async def send(client: httpx2.AsyncClient, session: str) -> None:
    sent = await client.post(f"/api/conversations/{session}/messages", json={"content": "Hello"})
    assert sent.status_code == 202


async def stop(client: httpx2.AsyncClient, session: str) -> None:
    stopped = await client.post(f"/api/conversations/{session}/cancel", json={})
    assert stopped.json() == {"status": "cancelled"}


@dataclass
class Watched:
    """A bot whose reply is a test's; `is_going` once it has begun."""

    script: Callable[[Turn], Any]
    info: BotInfo = INFO
    is_going: anyio.Event = field(default_factory=anyio.Event)

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        self.is_going.set()
        async for piece in self.script(turn):
            yield piece


@pytest.mark.parametrize("script", [bad.swallows_cancellation, bad.clings_to_its_end, bad.speaks_on_after_cancellation])
async def test_a_reply_is_stopped_though_its_bot_goes_on_and_the_next_message_is_answered(script: Any) -> None:
    bot = Watched(script)
    async with conversation(bot, turn_grace=0.05) as (client, session):
        await send(client, session)
        await bot.is_going.wait()
        await stop(client, session)
        bot.script = EchoBot().reply
        answered = await client.post(
            f"/api/conversations/{session}/messages", json={"content": "Still there?"}, headers={"Prefer": "wait=30"}
        )
        stored = await history(client, session)
    assert answered.json()["reply"]["content"] == "Still there?"
    assert [message.get("status") for message in stored] == ["completed", "cancelled", "completed", "completed"]
    assert "not me" not in stored[1]["content"]


@pytest.mark.parametrize("kind", ["openai", "webhook"])
async def test_to_stop_a_reply_is_seen_at_once_by_who_writes_it(kind: str) -> None:
    def give(asked: Asked) -> Given:
        if asked.method == "GET":
            return Given([b"{}"], type="application/json")
        chunk = data(delta("so far")) if kind == "openai" else b"so far"
        return Given(for_ever(chunk), type="text/event-stream" if kind == "openai" else "text/plain")

    async with upstream(give) as stub:
        bot: Any = OpenAIBot(info=INFO, base_url=stub.url, model="m")
        if kind == "webhook":
            bot = WebhookBot(info=INFO, url=stub.url, secrets=["s"])
        async with conversation(bot) as (client, session):
            await send(client, session)
            with anyio.fail_after(END_TIMEOUT):
                while not [asked for asked in stub.asked if asked.method == "POST"]:
                    await anyio.lowlevel.checkpoint()
                await stop(client, session)
                await stub.gone.wait()
            assert (await history(client, session))[1]["status"] == "cancelled"


class Greeter(EchoBot):
    async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
        opening.memory["greeted"] = opening.caller.user_id != ""
        yield "Welcome"


class ThreadGreeter(EchoBot):
    def greet(self, opening: Opening, /) -> Iterator[Piece]:
        yield "Welcome"


@pytest.mark.parametrize("bot", [Greeter(), ThreadGreeter()])
async def test_a_bot_that_greets_speaks_first(bot: Any) -> None:
    async with conversation(bot) as (client, session):
        stored = await until(client, session, 1)
    assert (stored[0]["seq"], stored[0]["sender"], stored[0]["content"]) == (1, "bot", "Welcome")


class RaisingGreeter(EchoBot):
    async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
        raise RuntimeError("a secret of the bot")
        yield "never"


class EndlessGreeter(EchoBot):
    async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
        while True:
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                continue
        yield "never"


@pytest.mark.parametrize("bot", [RaisingGreeter(), EndlessGreeter()])
async def test_a_greeting_that_goes_wrong_leaves_a_session_that_works(bot: Any) -> None:
    async with conversation(bot, turn_timeout=0.5, turn_grace=0.05) as (client, session):
        answered = await client.post(
            f"/api/conversations/{session}/messages", json={"content": "Hello"}, headers={"Prefer": "wait=30"}
        )
    assert answered.json()["reply"]["content"] == "Hello"


async def until(client: httpx2.AsyncClient, session: str, count: int) -> list[dict[str, Any]]:
    with anyio.fail_after(END_TIMEOUT):
        while len(stored := await history(client, session)) < count:
            await anyio.lowlevel.checkpoint()
    return stored
