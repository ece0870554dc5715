"""Who listens to which conversation, on this node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from generalbots_api.bus import Bus
from generalbots_api.conversations.model import Message
from generalbots_api.ids import BotSessionId

MessageListener = Callable[[Message], None]
"""Called on the event loop with each stored message; returns at once and never raises."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


@dataclass(slots=True)
class _Audience:
    leave: Callable[[], None]
    listeners: list[MessageListener]


@dataclass(slots=True)
class Feed:
    """Carries stored messages from whoever stored them to every listener, decoded once a node."""

    bus: Bus
    _audiences: dict[BotSessionId, _Audience] = field(default_factory=dict)

    async def tell(self, message: Message) -> None:
        await self.bus.publish(topic_of(message.session_id), _encode(message))

    def listen(self, session_id: BotSessionId, listener: MessageListener) -> Callable[[], None]:
        """Hear each message from now on; the answer ends it, and may be called twice."""
        audience = self._audiences.get(session_id)
        if audience is None:
            leave = self.bus.subscribe(topic_of(session_id), lambda payload: self._hear(session_id, payload))
            audience = self._audiences[session_id] = _Audience(leave, [])
        audience.listeners.append(listener)

        def stop() -> None:
            self._stop(session_id, listener)

        return stop

    def _hear(self, session_id: BotSessionId, payload: bytes) -> None:
        audience = self._audiences.get(session_id)
        if audience is not None:
            message = _decode(payload)
            for listener in tuple(audience.listeners):
                listener(message)

    def _stop(self, session_id: BotSessionId, listener: MessageListener) -> None:
        audience = self._audiences.get(session_id)
        if audience is None or listener not in audience.listeners:
            return
        audience.listeners.remove(listener)
        if not audience.listeners:
            audience.leave()
            del self._audiences[session_id]


def topic_of(session_id: BotSessionId) -> str:
    return f"conversation:{session_id}"
