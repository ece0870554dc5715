"""The full level of `/ws`, `gb.v1`: subscriptions that resume, pieces of replies, cancelling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import anyio.lowlevel
import msgspec

from generalbots_api.caller import Caller
from generalbots_api.conversations.following import Follower, Joined, Place, Spawn
from generalbots_api.conversations.model import Added
from generalbots_api.conversations.sending import Sending
from generalbots_api.conversations.service import Conversations
from generalbots_api.errors import ApiError, Forbidden, InvalidRequest
from generalbots_api.ids import BotSessionId, MessageId
from generalbots_api.ws.loop import frame_error
from generalbots_api.ws.model import (
    PONG,
    AckFrame,
    AuthFrame,
    CancelFrame,
    CancelledFrame,
    ClientFrame,
    HelloFrame,
    PingFrame,
    Rate,
    Running,
    SendFrame,
    SubscribedFrame,
    SubscribeFrame,
    UnsubscribedFrame,
    UnsubscribeFrame,
    encoded,
    error_frame,
)
from generalbots_api.ws.rights import Rights
from generalbots_api.ws.service import Socket
from generalbots_api.ws.spending import Spend

MOST_SUBSCRIPTIONS = 100

Renew = Callable[[Socket, str], Awaitable[Caller]]
"""The caller of another token, for a live socket; raises Forbidden."""


@dataclass(slots=True)
class StreamDialogue:
    """What one socket of `gb.v1` says and hears."""

    conversations: Conversations
    spend: Spend
    renew: Renew
    socket: Socket
    spawn: Spawn
    rights: Rights
    request_id: str
    hello: Callable[[Caller], HelloFrame]

    def begin(self) -> None:
        self.socket.outbox.put(encoded(self.hello(self.socket.caller)))

    async def hear(self, frame: ClientFrame) -> None:
        """Act on one frame.

        Raises:
            ApiError: what the conversation raises, and InvalidRequest or RateLimited.
        """
        match frame:
            case SendFrame():
                await self._send(frame)
            case SubscribeFrame():
                await self._subscribe(frame)
            case UnsubscribeFrame():
                self._unsubscribe(frame)
            case CancelFrame():
                await self._cancel(frame)
            case AuthFrame():
                self.socket.caller = await self.renew(self.socket, frame.token)
                self.begin()
            case PingFrame():
                self.socket.outbox.put(PONG)

    def close(self) -> None:
        self.rights.leave_all()

    async def _send(self, frame: SendFrame) -> None:
        if frame.session_id is None:
            raise InvalidRequest("The message is refused", fields={"session_id": "is missing"})
        caller = self.socket.caller
        rate = await self.spend(caller)
        session_id = BotSessionId(frame.session_id)
        follower = await self._joined(session_id)
        sending = Sending(
            session_id=session_id,
            content=frame.content,
            id=frame.id,
            metadata=frame.metadata,
            if_busy=frame.if_busy,
        )

        is_new = False

        def acknowledge(added: Added) -> None:
            nonlocal is_new
            is_new = not added.duplicate
            self.socket.outbox.put(encoded(ack(frame.id, added, rate)))

        follower.expect(sending.message_id)
        try:
            await self.conversations.send(caller, sending, self.request_id, origin=self.socket, on_stored=acknowledge)
        finally:
            if not is_new:
                follower.unexpect(sending.message_id)

    async def _joined(self, session_id: BotSessionId) -> Follower:
        """Sending subscribes; it must not be somebody else's session."""
        if session_id in self.rights.followers:
            return self.rights.followers[session_id]
        await self.conversations.permitted(self.socket.caller, session_id)
        joined, follower = await self._join(session_id, Place())
        follower.go(joined.head.seq)
        return follower

    async def _subscribe(self, frame: SubscribeFrame) -> None:
        session_id = BotSessionId(frame.session_id)
        await self.conversations.permitted(self.socket.caller, session_id)
        place = Place(
            seq=frame.after_seq,
            epoch=frame.epoch,
            reply_id=MessageId(frame.reply.reply_id) if frame.reply is not None else None,
            index=frame.reply.index if frame.reply is not None else -1,
        )
        joined, follower = await self._join(session_id, place)
        self.socket.outbox.put(encoded(subscribed(frame, joined)))
        follower.go(joined.head.seq)

    async def _join(self, session_id: BotSessionId, place: Place) -> tuple[Joined, Follower]:
        self.rights.leave(session_id)
        if len(self.rights.followers) >= MOST_SUBSCRIPTIONS:
            raise InvalidRequest("Too many subscriptions", fields={"session_id": f"{MOST_SUBSCRIPTIONS} at most"})
        return await self.rights.join(session_id, self.socket.outbox, self.spawn, place)

    def _unsubscribe(self, frame: UnsubscribeFrame) -> None:
        self.rights.leave(BotSessionId(frame.session_id))
        self.socket.outbox.put(encoded(UnsubscribedFrame(session_id=frame.session_id, id=frame.id)))

    async def _cancel(self, frame: CancelFrame) -> None:
        """Begin to stop it, and answer when it has stopped: a bot that does not go is no reason to hear nobody."""
        await self.conversations.sessions.active(self.socket.caller, BotSessionId(frame.session_id))
        self.spawn(partial(self._stop, frame))
        await anyio.lowlevel.checkpoint()  # it has begun before the next frame is read

    async def _stop(self, frame: CancelFrame) -> None:
        reply_id = MessageId(frame.reply_id) if frame.reply_id is not None else None
        try:
            was_running = await self.conversations.stop(BotSessionId(frame.session_id), reply_id)
        except ApiError as error:
            refusal = error_frame(frame_error(error, self.request_id), session_id=frame.session_id, id=frame.id)
            self.socket.outbox.put(refusal)
            return
        status: Literal["cancelled", "idle"] = "cancelled" if was_running else "idle"
        self.socket.outbox.put(encoded(CancelledFrame(session_id=frame.session_id, id=frame.id, status=status)))


def ack(id: str | None, added: Added, rate: Rate | msgspec.UnsetType = msgspec.UNSET) -> AckFrame:
    message = added.message
    return AckFrame(
        id=id,
        session_id=message.session_id,
        message_id=message.message_id,
        seq=message.seq,
        duplicate=added.duplicate,
        reply_id=message.reply_id,
        rate=rate,
    )


def subscribed(frame: SubscribeFrame, joined: Joined) -> SubscribedFrame:
    running = joined.running
    return SubscribedFrame(
        session_id=frame.session_id,
        id=frame.id,
        epoch=joined.head.epoch,
        seq=joined.head.seq,
        recovered=joined.is_recovered,
        replayed=joined.replayed,
        running=Running(running.reply_id, running.index) if running is not None else None,
    )


def check_same_user(socket: Socket, caller: Caller | None) -> Caller:
    """Raises:
    Forbidden: the token is not valid, or somebody else's; the login that the socket has goes on.
    """
    if caller is None:
        raise Forbidden("This token is not valid")
    if caller.user_id != socket.caller.user_id:
        raise Forbidden("This token is another user's")
    return caller
