"""Streams of server-sent events: sockets that only tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from generalbots_api.caller import Caller
from generalbots_api.conversations.events import Event, Stored, Typing
from generalbots_api.conversations.following import Place
from generalbots_api.conversations.model import Added, Sender
from generalbots_api.conversations.service import Conversations
from generalbots_api.ids import BotSessionId, MessageId, TokenHash
from generalbots_api.sse.writing import BEAT, news, written
from generalbots_api.ws.farewell import goodbye
from generalbots_api.ws.model import CloseCode, SubscribeFrame, encoded
from generalbots_api.ws.outbox import Outbox
from generalbots_api.ws.rights import Rights
from generalbots_api.ws.service import AskHost, Socket, Sockets
from generalbots_api.ws.stream import ack, subscribed

BEAT_SECONDS = 15.0

Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Listener:
    """Whoever a stream is for."""

    caller: Caller
    token_hash: TokenHash | None  # None: the host's own login
    ask_host: AskHost | None


@dataclass(frozen=True, slots=True)
class EventStreams:
    """Opens streams on conversations. Each counts as a socket of its user, and is closed like one."""

    conversations: Conversations
    sockets: Sockets
    queue_frames: int
    queue_bytes: int
    write_timeout: float  # seconds

    async def check(self, caller: Caller, session_id: BotSessionId) -> None:
        """Raises:
        NotFound, Forbidden: the session or its bot is not the caller's to follow.
        Unavailable: there are too many sockets, or the service is stopping.
        """
        self.sockets.check_room()
        await self.conversations.permitted(caller, session_id)

    async def follow(self, who: Listener, session_id: BotSessionId, place: Place, write: Write) -> None:
        """Write what happens in the conversation from `place` on, until the stream is closed."""
        socket = self._socket(who)
        await self._run(socket, session_id, place, Everything(socket.outbox), write, is_announced=True)

    async def turn(self, who: Listener, added: Added, id: str | None, write: Write) -> None:
        """Write one turn: that the message is stored, the reply in pieces, and the whole reply at the end.

        `id` is the client's own of its message. What was told of the reply
        before this began comes as a snapshot.
        """
        message = added.message
        await write(news(encoded(ack(id, added))).encode())
        if message.reply_id is None:
            return
        reply = await self.conversations.log.message(message.session_id, message.reply_id)
        if reply is not None:
            head = await self.conversations.log.head(message.session_id)
            await write(written(Event(what=Stored(message=reply)), head.epoch).encode())
            return
        socket = self._socket(who)
        sink = OneReply(socket.outbox, message.reply_id)
        await self._run(socket, message.session_id, Place(seq=message.seq), sink, write, is_announced=False)

    def _socket(self, who: Listener) -> Socket:
        outbox, now = Outbox(self.queue_frames, self.queue_bytes), self.sockets.clock.unix()
        return Socket(who.caller, who.token_hash, outbox, is_stream=True, ask_host=who.ask_host, asked_unix=now)

    async def _run(
        self,
        socket: Socket,
        session_id: BotSessionId,
        place: Place,
        sink: Everything,
        write: Write,
        *,
        is_announced: bool,
    ) -> None:
        async with anyio.create_task_group() as tasks:
            rights = Rights(self.conversations, socket)
            socket.look_at_rights = rights.look
            self.sockets.add(socket)
            try:
                joined, follower = await rights.join(session_id, sink, tasks.start_soon, place)
                await self.sockets.look_at(socket)
                epoch = joined.head.epoch
                if is_announced:
                    begin = encoded(subscribed(SubscribeFrame(session_id=session_id), joined))
                    await write(news(begin, f"{epoch}:{follower.seq}").encode())
                follower.go(joined.head.seq)
                await self._write_all(socket.outbox, write, epoch)
            finally:
                rights.leave_all()
                self.sockets.remove(socket)
                tasks.cancel_scope.cancel()

    async def _write_all(self, outbox: Outbox, write: Write, epoch: str) -> None:
        """Until the stream is closed, or its reader has not read for too long."""
        while True:
            entry: str | Event | None = None
            with anyio.move_on_after(BEAT_SECONDS) as silence:
                entry = await outbox.next()
            if entry is None and not silence.cancelled_caught:
                break
            piece = BEAT if entry is None else written(entry, epoch).encode()
            with anyio.move_on_after(self.write_timeout) as waiting:
                await write(piece)
            if waiting.cancelled_caught:
                return
        code = outbox.close_code or CloseCode.NORMAL
        if code is not CloseCode.NORMAL:
            with anyio.move_on_after(self.write_timeout):
                await write(news(encoded(goodbye(code, outbox.close_reason))).encode())


@dataclass(slots=True)
class Everything:
    """A sink that passes on all that happens, closed behind the end of the session."""

    outbox: Outbox

    def put(self, event: Event, /) -> None:
        self.outbox.put(event)
        if isinstance(event.what, Stored) and event.what.message.sender is Sender.SYSTEM:
            self.outbox.close(CloseCode.NORMAL, "")

    async def room(self) -> None:
        await self.outbox.room()


@dataclass(slots=True)
class OneReply(Everything):
    """A sink for one reply, closed behind its end."""

    reply_id: MessageId

    def put(self, event: Event, /) -> None:
        what = event.what
        if isinstance(what, Stored):
            if what.message.message_id == self.reply_id:
                self.outbox.put(event)
                self.outbox.close(CloseCode.NORMAL, "")
        elif isinstance(what, Typing) or what.reply_id == self.reply_id:
            self.outbox.put(event)
