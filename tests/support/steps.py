"""A service in process without its doors, on a storage that gives way at each call, and fails where a test wants it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from generalbots_api import BotInfo, Caller, GeneralBots, Opening, Piece, Settings, Turn
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.conversations.model import Added, Message, Sender
from generalbots_api.conversations.reading import Reading
from generalbots_api.conversations.sending import Sending
from generalbots_api.conversations.service import Conversations
from generalbots_api.ids import BotId, MessageId, UserId
from generalbots_api.sessions.model import BotSession
from tests.support.service import KEY

ALICE = Caller(user_id=UserId("alice"))
Fault = Callable[[str, str], None]
"""Raises what it likes, `before` or `after` a call to the log of this name."""


class GivesWay:
    """A conversation log as other storages are: each call takes some steps of the event loop."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.fault: Fault | None = None
        self.steps = 1  # before a call, and after it

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            await self._give_way()
            if self.fault is not None:
                self.fault(name, "before")
            answer = await getattr(self._log, name)(*arguments)
            if self.fault is not None:
                self.fault(name, "after")
            await self._give_way()
            return answer

        return call

    async def _give_way(self) -> None:
        for _ in range(self.steps):
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Scripted:
    """A bot whose reply is a test's."""

    reply: Callable[[Turn], Any]
    info: BotInfo = BotInfo("scripted", "Scripted")


@dataclass(frozen=True)
class Greeting(Scripted):
    async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
        yield "Welcome"


@dataclass
class Run:
    """A service, opened and closed by the test, and alice's session with its one bot."""

    bot: Any
    settings: dict[str, Any] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    session: BotSession = field(init=False)

    def __post_init__(self) -> None:
        storage = MemoryStorage()
        self.log = GivesWay(storage.log)
        storage.log = self.log  # type: ignore[assignment] # a log by delegation
        settings = Settings(secret_keys=[KEY], **{"turn_grace": 0.01, **self.settings})
        self.gb = GeneralBots(settings, storage=storage, authenticate=self._alice, bots=[self.bot])

    async def _alice(self, connection: object) -> Caller:
        return ALICE

    @property
    def conversations(self) -> Conversations:
        return self.gb._services.conversations

    @property
    def reading(self) -> Reading:
        return self.gb._services.chat.reading

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with self.gb.lifespan():
            self.session = await self.conversations.sessions.open(ALICE, BotId(self.bot.info.id))
            yield

    async def send(self, content: str) -> Added:
        def note(added: Added) -> None:
            self.acknowledged.append(added.message.message_id)

        sending = Sending(session_id=self.session.id, content=content)
        return await self.conversations.send(ALICE, sending, "r", on_stored=note)

    async def answer(self, content: str) -> Message:
        """The reply to one more message."""
        added = await self.send(content)
        reply = await self.reading.reply(self.session.id, added.message.reply_id or MessageId(""), 10)
        assert reply is not None
        return reply

    async def messages(self) -> list[Message]:
        page = await self.log.after(self.session.id, 0, 100)
        messages: list[Message] = page.messages
        return messages

    async def check(self, *, may_wait: bool) -> None:
        """Every acknowledged message is there with one reply, or, if it may, waits for the service to start again."""
        messages = await self.messages()
        replies = Counter(message.in_reply_to for message in messages if message.sender is Sender.BOT)
        asked = [message.message_id for message in messages if message.sender is Sender.USER]
        waiting = await self.log.behind(self.session.id, len(messages) + 1)
        assert set(self.acknowledged) <= set(asked)
        assert all(replies[id] <= 1 for id in asked)
        assert sum(replies[id] == 0 for id in asked) == waiting
        assert may_wait or waiting == 0
        assert (self.gb._services.turns.running, len(self.gb._services.turns._storing)) == (0, 0)
