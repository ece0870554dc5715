"""The plain level of `/ws`: one frame in, one whole message out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message, Sender
from generalbots_api.conversations.service import Conversations, Sending
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import BotSessionId
from generalbots_api.ws.model import PONG, ClientFrame, reply_frame
from generalbots_api.ws.service import Socket

Spend = Callable[[Caller], Awaitable[None]]
"""Counts one message against the caller's quota; raises RateLimited."""


@dataclass(slots=True)
class PlainDialogue:
    """What one plain socket says and hears."""

    conversations: Conversations
    spend: Spend
    socket: Socket
    request_id: str
    default_session: BotSessionId | None  # of `?session_id=`
    _leave: dict[BotSessionId, Callable[[], None]] = field(default_factory=dict)

    async def hear(self, frame: ClientFrame) -> None:
        """Act on one frame. The reply of the bot comes by itself, later.

        Raises:
            ApiError: what `Conversations.send` raises, and InvalidRequest or RateLimited.
        """
        if frame.type == "ping":
            self.socket.outbox.put(PONG)
        elif frame.type == "message":
            await self._send(frame)
        else:
            raise InvalidRequest("There is no such type of frame", fields={"type": "must be message or ping"})

    def close(self) -> None:
        for leave in self._leave.values():
            leave()

    async def _send(self, frame: ClientFrame) -> None:
        if frame.content is None:
            raise InvalidRequest("The message is refused", fields={"content": "is missing"})
        caller = self.socket.caller
        await self.spend(caller)
        session_id = BotSessionId(frame.session_id) if frame.session_id else await self._only_session(caller)
        await self.conversations.sessions.active(caller, session_id)
        self._join(session_id)  # before the send: the reply may be quick
        sending = Sending(session_id=session_id, content=frame.content, id=frame.id, metadata=frame.metadata)
        added = await self.conversations.send(caller, sending, self.request_id)
        if added.duplicate and added.message.reply_id is not None:
            reply = await self.conversations.log.message(session_id, added.message.reply_id)
            if reply is not None:
                self.socket.outbox.put(reply_frame(reply))

    async def _only_session(self, caller: Caller) -> BotSessionId:
        """Source: chat-protocol, "Plain"."""
        if self.default_session is not None:
            return self.default_session
        active = await self.conversations.sessions.active_of(caller)
        if len(active) != 1:
            raise InvalidRequest(
                "Say which session the message is for",
                fields={"session_id": f"{len(active)} sessions are active"},
            )
        return active[0].id

    def _join(self, session_id: BotSessionId) -> None:
        if session_id not in self._leave:
            self._leave[session_id] = self.conversations.feed.listen(session_id, self._tell)
            self.socket.sessions.add(session_id)

    def _tell(self, message: Message) -> None:
        if message.sender is Sender.BOT:
            self.socket.outbox.put(reply_frame(message))
