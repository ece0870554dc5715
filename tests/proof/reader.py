"""One who uses the client of the library, over connections of this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import httpx2
from starlette.types import Receive, Scope, Send

from generalbots_api.client import (
    ApiError,
    Client,
    ConnectionFailed,
    Conversation,
    ConversationOver,
    NewMessage,
)
from generalbots_api.client.sockets import Socket, SocketClosed
from tests.proof.shown import Shown
from tests.proof.wire import ORIGIN, Wire, socket
from tests.proof.world import World


async def no_wait(seconds: float) -> None:
    """The client's back-off."""
    await asyncio.sleep(0)


@dataclass
class Plug:
    """`generalbots_api.client.sockets.Socket`, on a wire."""

    wire: Wire

    async def send(self, text: str, /) -> None:
        if self.wire.is_cut or self.wire.code is not None:
            raise SocketClosed(self.wire.code or 1006, "")
        self.wire.say(text)

    async def receive(self) -> str:
        return await self.wire.hear()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.wire.cut(loses=False)


@dataclass
class Reader:
    """`shown` is what its conversation showed, over all its lives."""

    world: World
    shown: Shown = field(default_factory=Shown)
    plug: Plug | None = None
    chat: Conversation | None = None
    max_events: int = 256
    mine: set[str] = field(default_factory=set)
    over: anyio.Event = field(default_factory=anyio.Event)  # the session has ended
    _life: anyio.CancelScope | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def begin(self) -> None:
        """Read from where it was, with a new conversation object."""
        if self._life is not None:
            self._life.cancel()
        self._life = anyio.CancelScope()
        self.world.tasks.start_soon(self._live, self._life)

    async def _live(self, life: anyio.CancelScope) -> None:
        transport = httpx2.ASGITransport(app=self._any_node)
        mine: set[str] = set()
        with life:
            async with (
                httpx2.AsyncClient(transport=transport, headers={"Origin": ORIGIN}) as http,
                Client(ORIGIN, token="alice", http=http, sleep=no_wait, connect=self._connect) as client,
                client.conversation(
                    self.world.session,
                    after_seq=len(self.shown.messages),
                    epoch=self.shown.epoch,
                    max_events=self.max_events,
                ) as chat,
            ):
                self.chat, self.mine = chat, mine
                async for event in chat:
                    if self._life is not life:
                        return  # another has begun to read, and this one was cancelled with events in its hands
                    self.shown.take(event)
                    self.shown.epoch = chat.epoch
                    if isinstance(event, NewMessage) and event.message.sender == "user":
                        assert not event.mine or event.message.id in mine
                    self._changed.set()
                    self._changed = anyio.Event()
                self.over.set()

    async def send(self, id: str, if_busy: str) -> None:
        """What comes of it is noted; a conversation that is left, or a bot that is busy, leaves it open."""
        chat = self.chat
        if chat is None or id in self.mine:
            return
        self.mine.add(id)
        with suppress(ConversationOver):
            try:
                sent = await chat.send(self.world.sent[id], id=id, if_busy=if_busy)
            except ApiError as error:
                if error.status not in (409, 500, 503):
                    raise
            else:
                found = {"id": id, "message_id": sent.message_id, "seq": sent.seq, "reply_id": sent.reply_id}
                self.world.note_ack(found)

    def cut(self, *, loses: bool) -> None:
        if self.plug is not None:
            self.plug.wire.cut(loses=loses)

    async def reached(self, count: int) -> None:
        while len(self.shown.messages) < count:
            await self._changed.wait()

    async def _connect(self, url: str, token: str | None) -> Socket:
        if not self.world.alive:
            raise ConnectionFailed("nobody is there")
        node = self.world.random.choice(self.world.alive)
        wire = node.begun(socket(node.gb, token or "", capacity=4))
        self.world.tasks.start_soon(wire.run)
        try:
            await wire.opened()
        except SocketClosed as error:
            raise ConnectionFailed(error.reason) from error
        self.plug = Plug(wire)
        return self.plug

    async def _any_node(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.world.alive:
            raise httpx2.ConnectError("nobody is there")
        await self.world.random.choice(self.world.alive).gb(scope, receive, send)
