"""The log of a session as this client has it: each message once, in order, whatever comes twice, late or not at all.

Values in, values out: no sockets, no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from generalbots_api.client.errors import BadAnswer
from generalbots_api.client.events import Gap, NewMessage
from generalbots_api.client.frames import Delta, Snapshot, Start
from generalbots_api.client.inbox import Inbox
from generalbots_api.client.messages import History, Message
from generalbots_api.client.reply import RunningReply

MAX_HELD = 64
MAX_FINISHED = 512  # more replies than a socket's queue can hold frames of


@dataclass(slots=True, kw_only=True)
class LogView:
    """`seq` is the place up to which the reader was told everything; None: not known yet, live only.

    `head` is the newest place that is known of. While they differ, nothing
    about running replies is told, so that nothing is told out of order.
    """

    inbox: Inbox
    is_mine: Callable[[Message], bool]
    seq: int | None = None
    epoch: str | None = None
    head: int = 0
    filling: bool = False  # history is being read
    reply: RunningReply | None = None
    told: int = 0  # messages, in all: tells progress
    _held: dict[int, Message] = field(default_factory=dict)
    _finished: OrderedDict[str, None] = field(default_factory=OrderedDict)

    @property
    def behind(self) -> bool:
        return self.seq is not None and self.seq < self.head

    @property
    def overflown(self) -> bool:
        """More came out of order than is held: no use in waiting for what is between."""
        return len(self._held) >= MAX_HELD

    def begin(self, epoch: str, seq: int) -> bool:
        """A subscription stands; True if the log is another one than before."""
        replaced = self.epoch not in (None, epoch)
        if replaced:
            self._replace(epoch, seq)
        self.epoch = epoch
        self.seq = seq if self.seq is None else self.seq
        self.head = max(self.head, seq)
        return replaced

    def place(self, message: Message) -> None:
        """Take a message that came live, or was replayed, or acknowledged."""
        if self.seq is None:
            self.seq = message.seq - 1
        self.head = max(self.head, message.seq)
        if message.seq > self.seq and not self.overflown and not self.inbox.full:
            self._held[message.seq] = message
        self._tell_held()

    def fill(self, page: History) -> bool:
        """Take a page of the history after `seq`; True if there is more to read at once.

        Raises:
            BadAnswer: a page that leads nowhere.
        """
        if page.epoch != self.epoch:
            self._replace(page.epoch, page.seq)
            return True
        before, self.head = self.seq, max(self.head, page.seq)
        for message in page.messages:
            if message.seq > (self.seq or 0) and not self.inbox.full:
                self._tell(message)
        if self.inbox.full:
            return False
        if page.has_more:
            if self.seq == before:
                raise BadAnswer("the history promises more and gives nothing")
            return True
        self.seq = max(self.seq or 0, page.seq)  # a place without a message is one that is not shown
        return False

    def filled(self) -> None:
        self.filling = False
        self._tell_held()

    def start(self, frame: Start) -> None:
        reply = self._reply(frame.reply_id)
        if reply is not None:
            reply.started(frame)

    def piece(self, frame: Delta | Snapshot) -> bool:
        """Take a piece of a reply; True if pieces before it are missing for the first time."""
        reply = self._reply(frame.reply_id)
        if reply is None:
            return False
        was_broken = reply.broken
        if isinstance(frame, Snapshot):
            reply.replace(frame)
        else:
            reply.add(frame)
        return reply.broken and not was_broken

    def surface(self) -> None:
        """Tell what is new of the running reply, if everything before it was told and there is room."""
        quiet = self.filling or self.seq is None or self.behind or self.inbox.full
        if self.reply is not None and not quiet:
            for event in self.reply.news():
                self.inbox.put(event)

    def _reply(self, reply_id: str) -> RunningReply | None:
        """The running reply of this id; None: it is finished, and this is a late frame of it."""
        if reply_id in self._finished:
            return None
        if self.reply is None or self.reply.reply_id != reply_id:
            self.reply = RunningReply(reply_id)
        return self.reply

    def _tell_held(self) -> None:
        seq = self.seq or 0
        for known in [one for one in self._held if one <= seq]:
            del self._held[known]
        while not self.filling and not self.inbox.full and (message := self._held.pop((self.seq or 0) + 1, None)):
            self._tell(message)

    def _tell(self, message: Message) -> None:
        self.seq = message.seq
        self.head = max(self.head, message.seq)
        self.told += 1
        if message.sender == "bot":
            self._finished[message.message_id] = None
            if len(self._finished) > MAX_FINISHED:
                self._finished.popitem(last=False)
            if self.reply is not None and self.reply.reply_id == message.message_id:
                self.reply = None
        self.inbox.put(NewMessage(message, self.is_mine(message)))

    def _replace(self, epoch: str, head: int) -> None:
        self.epoch, self.seq, self.head, self.reply = epoch, 0, head, None
        self._held.clear()
        self._finished.clear()
        self.inbox.put(Gap(epoch))
