"""A bot that says what a test says, and a client of `gb.v1` as a test wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from httpx2.websockets import AsyncWebSocketSession

from generalbots_api import BotAccess, BotInfo, Piece, Turn
from tests.support.service import Service

Frame = dict[str, Any]


@dataclass
class Puppet:
    """Each turn waits for what `say` and `end` give it, in the order of its coming."""

    id: str = "puppet"
    access: BotAccess = field(default_factory=BotAccess)
    asked: list[str] = field(default_factory=list)  # the content of each turn, as it began
    _strings: list[asyncio.Queue[Piece | None]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def info(self) -> BotInfo:
        return BotInfo(self.id, "Puppet", access=self.access)

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        self.asked.append(turn.message.content)
        string: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._strings.append(string)
        self._news.set()
        while (piece := await string.get()) is not None:
            yield piece

    def say(self, *pieces: Piece) -> None:
        """In the turn that began last."""
        for piece in pieces:
            self._strings[-1].put_nowait(piece)

    def end(self) -> None:
        self._strings[-1].put_nowait(None)

    async def began(self, count: int = 1) -> None:
        """Return when so many turns have begun."""
        with anyio.fail_after(10):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()


@dataclass
class Talk:
    """One socket of `gb.v1`."""

    socket: AsyncWebSocketSession
    session: str
    hello: Frame = field(default_factory=dict)

    async def hear(self) -> Frame:
        with anyio.fail_after(10):
            frame: Frame = json.loads(await self.socket.receive_text())
        return frame

    async def hear_until(self, kind: str) -> list[Frame]:
        """Every frame up to one of this type, which is the last."""
        frames = [await self.hear()]
        while frames[-1]["type"] != kind:
            frames.append(await self.hear())
        return frames

    async def say(self, frame: Frame) -> None:
        await self.socket.send_text(json.dumps(frame))

    async def send(self, content: str, **fields: Any) -> None:
        await self.say({"type": "message", "session_id": self.session, "content": content, **fields})

    async def subscribe(self, **fields: Any) -> Frame:
        """The answer to it."""
        await self.say({"type": "subscribe", "session_id": self.session, **fields})
        return (await self.hear_until("subscribed"))[-1]


@asynccontextmanager
async def talk(service: Service, token: str, session: str, **options: Any) -> AsyncIterator[Talk]:
    """Opened, and greeted by `hello`."""
    async with service.socket(token, subprotocols=["gb.v1"], **options) as socket:
        one = Talk(socket, session)
        one.hello = await one.hear()
        yield one


async def new_session(client: httpx2.AsyncClient, bot: str = "puppet") -> str:
    answer = await client.post("/api/session/create", json={"bot_id": bot})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


async def history(client: httpx2.AsyncClient, session: str, **query: Any) -> list[Frame]:
    answer = await client.get(f"/api/conversations/{session}/history", params=query)
    assert answer.status_code == 200, answer.text
    messages: list[Frame] = answer.json()["messages"]
    return messages
