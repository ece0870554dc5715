"""Following a conversation: from a place in its log on, without a gap and without a double."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from generalbots_api.conversations.control import Control
from generalbots_api.conversations.events import Delta, Event, Snapshot, Started, Stored, Typing
from generalbots_api.conversations.feed import Feed, LiveReply
from generalbots_api.conversations.model import Head, Message, Sender
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.ids import BotSessionId, MessageId

MOST_REPLAYED = 500  # messages
PAGE = 50
MOST_ENDED = 16  # more than can wait in a session

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
"""Runs a job beside, for as long as the door is open."""


class Sink(Protocol):
    """Where a follower's events go: one reader, who may be slow."""

    def put(self, event: Event, /) -> None:
        """Take what happens now; never waits."""

    async def room(self) -> None:
        """Return when the reader has room for what happened before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a client is. `seq` None: it wants what comes, nothing from before."""

    seq: int | None = None
    epoch: str | None = None
    reply_id: MessageId | None = None  # the running reply that it has pieces of
    index: int = -1  # of the last of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Where the conversation stands as the following begins."""

    head: Head
    is_recovered: bool  # False: nothing is replayed, and the client reads the history
    replayed: int
    running: Snapshot | None


@dataclass(slots=True)
class Follower:
    """One client in one conversation.

    It listens before it reads the log, notes what comes while it reads, and
    reads again until nothing was missed: then, in one step, it goes live. A
    hole in `seq`, where the bus has lost something, begins the reading anew.
    """

    session_id: BotSessionId
    log: ConversationLog
    feed: Feed
    control: Control
    sink: Sink
    spawn: Spawn
    origin: object
    seq: int = 0  # of the last message that was passed on
    _newest: int = 0  # of the newest message that was heard of
    _own: set[MessageId] = field(default_factory=set)  # messages that the client is told of otherwise
    _ended: dict[MessageId, None] = field(default_factory=dict)  # the newest replies that were passed on whole
    _reply_id: MessageId | None = None
    _index: int = -1
    _is_live: bool = False
    _is_in_doubt: bool = False  # something may be in the log that was not heard of
    _leave: Callable[[], None] | None = None
    _reading: anyio.CancelScope | None = None  # of what is passed on from the log

    async def join(self, place: Place) -> Joined:
        """Begin to listen, and say from where on; `go` passes on what there is to replay."""
        self._leave = self.feed.listen(self.session_id, self.hear, self.look_again)
        head = await self.log.head(self.session_id)
        if self.feed.live(self.session_id) is None:
            await self.control.running_elsewhere(self.session_id)
        live = await self._running()
        seq = head.seq if place.seq is None else place.seq
        is_recovered = 0 <= head.seq - seq <= MOST_REPLAYED and place.epoch in (None, head.epoch)
        self.seq = seq if is_recovered else head.seq
        self._reply_id, self._index = place.reply_id, place.index
        return Joined(
            head=head,
            is_recovered=is_recovered,
            replayed=head.seq - self.seq,
            running=live.snapshot() if live is not None else None,
        )

    def go(self, seen: int) -> None:
        """Pass on what is missed and then what comes; `seen` is the `seq` that the log had on joining."""
        self._newest = max(self._newest, seen)
        if self._newest <= self.seq and not self._is_in_doubt:
            self._go_live()
        else:
            self.spawn(self._catch_up)

    def expect(self, message_id: MessageId) -> None:
        """The client is sending this message: an acknowledgement is all that it is told of it."""
        self._own.add(message_id)

    def unexpect(self, message_id: MessageId) -> None:
        """It was not stored."""
        self._own.discard(message_id)

    def leave(self) -> None:
        """Pass on nothing more, and keep nothing: a page of the log that waits for a slow reader goes at once."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        if self._reading is not None:
            self._reading.cancel()

    def look_again(self) -> None:
        """The bus may have missed something: read the log, now or when that is due anyway."""
        self._is_in_doubt = True
        if self._is_live:
            self._is_live = False
            self.spawn(self._catch_up)

    def hear(self, event: Event) -> None:
        what = event.what
        if isinstance(what, Stored):
            self._hear_stored(event, what.message)
        elif not self._is_live:
            return  # what is left of a reply then comes as a snapshot
        elif isinstance(what, Typing):
            self.sink.put(event)
        elif what.reply_id in self._ended:
            return  # the news are late, or of a node that was taken for dead
        elif isinstance(what, Delta):
            if what.reply_id == self._reply_id and what.index - what.merged == self._index:
                self._index = what.index
                self.sink.put(event)
        elif isinstance(what, Started):
            self._reply_id, self._index = what.reply_id, -1
            self.sink.put(event)
        elif what.reply_id != self._reply_id or what.index > self._index:
            self._reply_id, self._index = what.reply_id, what.index
            self.sink.put(event)

    def _hear_stored(self, event: Event, message: Message) -> None:
        self._newest = max(self._newest, message.seq)
        if not self._is_live or message.seq <= self.seq:
            return
        if message.seq > self.seq + 1:
            self._is_live = False
            self.spawn(self._catch_up)
            return
        if event.origin is not self.origin:
            self.sink.put(event)
        self._pass(message)

    async def _catch_up(self) -> None:
        if self._leave is None:
            return  # it left before this began
        with anyio.CancelScope() as self._reading:
            await self._read()
        self._reading = None

    async def _read(self) -> None:
        while self._is_in_doubt or self.seq < self._newest:
            self._is_in_doubt, heard = False, self._newest
            page = await self.log.after(self.session_id, self.seq, PAGE)
            for message in page.messages:
                await self.sink.room()
                if self._leave is None:
                    return
                if message.message_id not in self._own:
                    self.sink.put(Event(what=Stored(message=message)))
                self._pass(message)
            self._newest = max(self._newest, page.head.seq)
            if not page.messages and not self._is_in_doubt and self._newest == heard:
                break  # heard of, and not to be read: the log was lost
        if self._leave is not None:
            self._go_live()

    def _pass(self, message: Message) -> None:
        self.seq = message.seq
        if message.sender is Sender.USER:
            self._own.discard(message.message_id)
        elif message.sender is Sender.BOT:
            self._ended[message.message_id] = None
            if len(self._ended) > MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            self.feed.end(self.session_id, message.message_id)
        else:
            self.leave()

    async def _running(self) -> LiveReply | None:
        """The reply that is being written, unless it is in the log and the news of that is on its way still."""
        live = self.feed.live(self.session_id)
        if live is not None and await self.log.message(self.session_id, live.reply_id) is not None:
            self.feed.end(self.session_id, live.reply_id)
        return self.feed.live(self.session_id)

    def _go_live(self) -> None:
        """No waiting in here: nothing can happen between the last look at the log and the first event."""
        self._is_live = True
        live = self.feed.live(self.session_id)
        if live is None:
            return
        if live.reply_id != self._reply_id or live.index > self._index:
            self._reply_id, self._index = live.reply_id, live.index
            self.sink.put(Event(what=live.news()))
