"""The plain level of `/ws`: one frame in, one whole message out."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.conversations.events import Event, Stored
from generalbots_api.conversations.following import Place, Spawn
from generalbots_api.conversations.model import Sender
from generalbots_api.conversations.sending import Sending
from generalbots_api.conversations.service import Conversations
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import BotSessionId
from generalbots_api.ws.model import PONG, ClientFrame, PingFrame, SendFrame, reply_frame
from generalbots_api.ws.rights import Rights
from generalbots_api.ws.service import Socket
from generalbots_api.ws.spending import Spend


@dataclass(slots=True)
class Replies:
    """A sink that passes on whole replies of the bot, and nothing else."""

    socket: Socket

    def put(self, event: Event, /) -> None:
        frame = plain_frame(event)
        if frame is not None:
            self.socket.outbox.put(frame)

    async def room(self) -> None:
        await self.socket.outbox.room()


@dataclass(slots=True)
class PlainDialogue:
    """What one plain socket says and hears."""

    conversations: Conversations
    spend: Spend
    socket: Socket
    spawn: Spawn
    rights: Rights
    request_id: str
    default_session: BotSessionId | None  # of `?session_id=`

    def begin(self) -> None:
        """Nothing is sent before the client has sent something."""

    async def hear(self, frame: ClientFrame) -> None:
        """Act on one frame. The reply of the bot comes by itself, later.

        Raises:
            ApiError: what `Conversations.send` raises, and InvalidRequest or RateLimited.
        """
        if isinstance(frame, PingFrame):
            self.socket.outbox.put(PONG)
        elif isinstance(frame, SendFrame):
            await self._send(frame)
        else:
            raise InvalidRequest(
                "There is no such type of frame at this level", fields={"type": "must be message or ping"}
            )

    def close(self) -> None:
        self.rights.leave_all()

    async def _send(self, frame: SendFrame) -> None:
        caller = self.socket.caller
        await self.spend(caller)
        session_id = BotSessionId(frame.session_id) if frame.session_id else await self._only_session()
        await self._join(session_id)  # before the send: the reply may be quick
        sending = Sending(session_id=session_id, content=frame.content, id=frame.id, metadata=frame.metadata)
        added = await self.conversations.send(caller, sending, self.request_id)
        if added.duplicate and added.message.reply_id is not None:
            reply = await self.conversations.log.message(session_id, added.message.reply_id)
            if reply is not None:
                self.socket.outbox.put(reply_frame(reply))

    async def _only_session(self) -> BotSessionId:
        """Source: chat-protocol, "Plain"."""
        if self.default_session is not None:
            return self.default_session
        active = await self.conversations.sessions.active_of(self.socket.caller)
        if len(active) != 1:
            raise InvalidRequest(
                "Say which session the message is for",
                fields={"session_id": f"{len(active)} sessions are active"},
            )
        return active[0].id

    async def _join(self, session_id: BotSessionId) -> None:
        if session_id in self.rights.followers:
            return
        await self.conversations.sessions.active(self.socket.caller, session_id)
        joined, follower = await self.rights.join(session_id, Replies(self.socket), self.spawn, Place())
        follower.go(joined.head.seq)


def plain_frame(event: Event) -> str | None:
    what = event.what
    if isinstance(what, Stored) and what.message.sender is Sender.BOT:
        return reply_frame(what.message)
    return None
