"""Carries what happens in conversations to whoever listens, on this node and on all others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field

import msgspec

from generalbots_api.bus import Bus, Patchy
from generalbots_api.conversations.audience import Audience, Listener
from generalbots_api.conversations.events import Delta, Event, Snapshot, Started, Stored, Typing
from generalbots_api.conversations.model import Message
from generalbots_api.errors import Unavailable
from generalbots_api.ids import BotId, BotSessionId, MessageId, new_id


class Nobody:
    """What there is to wait for when nobody else listens."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


NOBODY = Nobody()
TOPIC = "conversation:"
log = logging.getLogger("generalbots_api.conversations")


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stored"):
    message: Message


Lasting = Started | Delta | Snapshot | Stored
_News = Started | Delta | Snapshot | Told
_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], _News] = msgspec.json.Decoder(_News).decode


@dataclass(slots=True)
class LiveReply:
    """A reply that is being written, as far as this node knows it."""

    session_id: BotSessionId
    reply_id: MessageId
    in_reply_to: MessageId | None
    bot_id: BotId | None  # None: only its snapshot is known
    is_ours: bool  # written on this node
    index: int = -1  # of the last piece
    pieces: list[str] = field(default_factory=list)

    def news(self) -> Started | Snapshot:
        """What tells somebody who has heard nothing of it."""
        if self.index >= 0 or self.bot_id is None:
            return self.snapshot()
        return Started(
            session_id=self.session_id, reply_id=self.reply_id, in_reply_to=self.in_reply_to, bot_id=self.bot_id
        )

    def snapshot(self) -> Snapshot:
        return Snapshot(
            session_id=self.session_id, reply_id=self.reply_id, index=self.index, content="".join(self.pieces)
        )


@dataclass(slots=True)
class Feed:
    """Each event reaches the listeners of this node directly, see `Audience`, and those of others by the bus.

    What comes by the bus may be lost: listeners notice a hole in `seq` and
    read the log; after a hole in the pieces of a reply the rest of them is
    left out, and its final message has the full text.
    """

    bus: Bus
    _node: bytes = field(default_factory=lambda: new_id().encode())
    _audiences: dict[BotSessionId, Audience] = field(default_factory=dict)
    _live: dict[BotSessionId, LiveReply] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.bus, Patchy):
            self.bus.on_gap(self._note_gap)

    def live(self, session_id: BotSessionId) -> LiveReply | None:
        """The reply that is being written there, if this node knows of one."""
        return self._live.get(session_id)

    def end(self, session_id: BotSessionId, reply_id: MessageId) -> None:
        """The reply was read in the log: it is not running any more, though the news of that has not come yet."""
        live = self._live.get(session_id)
        if live is not None and live.reply_id == reply_id:
            del self._live[session_id]

    def hint(self, what: Typing) -> None:
        """Tell the listeners of this node, and nobody else."""
        self._deliver(what.session_id, Event(what=what))

    def tell(self, what: Lasting, session_id: BotSessionId, origin: object | None = None) -> Awaitable[None]:
        """Tell the listeners of this node, and return what tells the others, and waits until all here are told."""
        told = None
        if self._note(what, is_ours=True):
            told = self._deliver(session_id, Event(what=what, origin=origin))
        if not self.bus.reaches(topic_of(session_id), 1 if session_id in self._audiences else 0):
            return NOBODY if told is None else told
        news = Told(message=what.message) if isinstance(what, Stored) else what
        return self._publish(session_id, news, told)

    def listen(
        self, session_id: BotSessionId, listener: Listener, on_gap: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """Hear each event from now on; the answer ends it, and may be called twice.

        `on_gap` is called when events of other nodes may have been missed until now.
        """
        audience = self._audiences.get(session_id)
        if audience is None:
            leave = self.bus.subscribe(topic_of(session_id), lambda payload: self._hear(session_id, payload))
            audience = self._audiences[session_id] = Audience(leave)
        audience.listeners[listener] = None
        if on_gap is not None:
            audience.gaps[listener] = on_gap
        return lambda: self._stop(session_id, listener)

    async def repeat(self, session_id: BotSessionId) -> None:
        """Tell the other nodes how far a reply of ours is by now: the pieces that follow go behind it."""
        live = self._live.get(session_id)
        if live is not None and live.is_ours:
            await self._publish(session_id, live.snapshot())

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish on the bus, or do without: what must not be missed is in the log."""
        try:
            await self.bus.publish(topic, payload)
        except Unavailable as error:
            log.warning("feed.not_published", extra={"reason": error.message})

    async def _publish(self, session_id: BotSessionId, news: _News, told: Awaitable[None] | None = None) -> None:
        await self.publish(topic_of(session_id), self._node + b" " + _encode(news))
        if told is not None:
            await told

    def _hear(self, session_id: BotSessionId, payload: bytes) -> None:
        """News of the bus; what this node published itself was delivered before."""
        node, _, news = payload.partition(b" ")
        if node == self._node:
            return
        heard = _decode(news)
        what = Stored(message=heard.message) if isinstance(heard, Told) else heard
        if self._note(what, is_ours=False):
            self._deliver(session_id, Event(what=what))

    def _note_gap(self, topic: str) -> None:
        session_id = BotSessionId(topic.removeprefix(TOPIC))
        audience = self._audiences.get(session_id)
        if audience is None:
            return
        self._forget_foreign(session_id)  # it may have ended meanwhile
        for look in tuple(audience.gaps.values()):
            look()

    def _forget_foreign(self, session_id: BotSessionId) -> None:
        live = self._live.get(session_id)
        if live is not None and not live.is_ours:
            del self._live[session_id]

    def _deliver(self, session_id: BotSessionId, event: Event) -> Awaitable[None] | None:
        audience = self._audiences.get(session_id)
        return None if audience is None else audience.tell(event)

    def _note(self, what: Lasting, *, is_ours: bool) -> bool:
        """Keep what is known of running replies up to date; whether the event makes sense after what came before."""
        if isinstance(what, Delta):
            return self._add_piece(what)
        if isinstance(what, Stored):
            self.end(what.message.session_id, what.message.message_id)
            return True
        if isinstance(what, Snapshot):
            return self._take_snapshot(what)
        reply = LiveReply(what.session_id, what.reply_id, what.in_reply_to, what.bot_id, is_ours)
        self._live[what.session_id] = reply
        return True

    def _add_piece(self, delta: Delta) -> bool:
        live = self._live.get(delta.session_id)
        if live is None or live.reply_id != delta.reply_id or delta.index - delta.merged != live.index:
            return False
        live.pieces.append(delta.content)
        live.index = delta.index
        return True

    def _take_snapshot(self, snapshot: Snapshot) -> bool:
        live = self._live.get(snapshot.session_id)
        if live is not None and (live.reply_id != snapshot.reply_id or live.index >= snapshot.index):
            return False  # of another one: the answer to a question came late, and a new reply has begun since
        self._live[snapshot.session_id] = LiveReply(
            snapshot.session_id, snapshot.reply_id, None, None, False, snapshot.index, [snapshot.content]
        )
        return True

    def _stop(self, session_id: BotSessionId, listener: Listener) -> None:
        audience = self._audiences.get(session_id)
        if audience is None or listener not in audience.listeners:
            return
        del audience.listeners[listener]
        audience.gaps.pop(listener, None)
        if not audience.listeners:
            audience.leave()
            del self._audiences[session_id]
            self._forget_foreign(session_id)


def topic_of(session_id: BotSessionId) -> str:
    return TOPIC + session_id
