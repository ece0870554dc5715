"""Whether what a socket follows may still be followed."""

from __future__ import annotations

from dataclasses import dataclass, field

from generalbots_api.conversations.events import SessionUpdated
from generalbots_api.conversations.following import Follower, Joined, Place, Sink, Spawn
from generalbots_api.conversations.service import Conversations
from generalbots_api.ids import BotSessionId
from generalbots_api.ws.model import CloseCode, encoded
from generalbots_api.ws.service import Socket


@dataclass(frozen=True, slots=True)
class Rights:
    """Looks after the followers of one socket, and leaves those conversations that it has lost its right to."""

    conversations: Conversations
    socket: Socket
    followers: dict[BotSessionId, Follower] = field(default_factory=dict)

    async def look(self) -> None:
        """Close the socket (4403) when the last conversation that it followed is forbidden now."""
        is_forbidden = False
        for session_id in list(self.followers):
            reason = await self.conversations.why_not(self.socket.caller, session_id)
            follower = self.followers.get(session_id)
            if follower is None or reason is None:
                continue
            self.leave(session_id)
            if reason == "forbidden":
                is_forbidden = True
                self._tell(session_id, follower.seq)
        if is_forbidden and not self.followers:
            self.socket.close(CloseCode.FORBIDDEN, "You may not use this bot any more")

    async def join(self, session_id: BotSessionId, sink: Sink, spawn: Spawn, place: Place) -> tuple[Joined, Follower]:
        """Follow it from now on; if that fails, not at all."""
        follower = self.conversations.follower(session_id, sink, spawn, self.socket)
        self.followers[session_id] = follower
        self.socket.sessions.add(session_id)
        try:
            return await follower.join(place), follower
        except BaseException:
            self.leave(session_id)
            raise

    def leave(self, session_id: BotSessionId) -> None:
        follower = self.followers.pop(session_id, None)
        if follower is not None:
            follower.leave()
            self.socket.sessions.discard(session_id)

    def leave_all(self) -> None:
        for session_id in list(self.followers):
            self.leave(session_id)

    def _tell(self, session_id: BotSessionId, seq: int) -> None:
        if self.socket.is_stream:
            news = SessionUpdated(session_id=session_id, status="ended", reason="forbidden", seq=seq)
            self.socket.outbox.put(encoded(news))
