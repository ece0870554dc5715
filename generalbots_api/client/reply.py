"""A reply that is being written: what the reader was not given of it yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from generalbots_api.client.events import Event, ReplyDelta, ReplySnapshot, ReplyStarted
from generalbots_api.client.frames import Delta, Snapshot, Start


@dataclass(slots=True)
class RunningReply:
    """`index` is that of the last piece that is known, -1: none. `broken`: pieces are missing until a snapshot."""

    reply_id: str
    in_reply_to: str | None = None
    bot_id: str | None = None
    index: int = -1
    broken: bool = False
    _announced: bool = False
    _fresh: list[str] = field(default_factory=list)
    _replaces: bool = False  # what is fresh goes in the place of what the reader has

    def started(self, frame: Start) -> None:
        self.in_reply_to, self.bot_id = frame.in_reply_to, frame.bot_id

    def add(self, frame: Delta) -> None:
        """Put pieces behind the others; known ones are dropped, and ones too far on break the reply."""
        if self.broken or frame.index <= self.index:
            return
        if frame.index - frame.merged != self.index:
            self.broken = True
            return
        self.index = frame.index
        self._fresh.append(frame.content)

    def replace(self, frame: Snapshot) -> None:
        """Take the whole text so far, unless as much is known already."""
        if frame.index < self.index or (frame.index == self.index and not self.broken):
            return
        self.index, self.broken = frame.index, False
        self._fresh, self._replaces = [frame.content], True

    def news(self) -> list[Event]:
        """What the reader was not told yet; it counts as told now."""
        events: list[Event] = []
        if not self._announced:
            self._announced = True
            events.append(ReplyStarted(self.reply_id, self.in_reply_to, self.bot_id))
        if self._fresh:
            kind = ReplySnapshot if self._replaces else ReplyDelta
            events.append(kind(self.reply_id, self.index, "".join(self._fresh)))
            self._fresh, self._replaces = [], False
        return events
