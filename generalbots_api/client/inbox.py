"""Events that wait for their reader: merged where that loses nothing, and bounded."""

from __future__ import annotations

from collections import deque

from generalbots_api.client.events import (
    ConnectionChanged,
    Event,
    Gap,
    LoginExpiring,
    NewMessage,
    ReplyDelta,
    ReplySnapshot,
)

_STATES = (ConnectionChanged, Gap, LoginExpiring)  # only the newest matters, between two messages


class Inbox:
    """When it is `full`, nothing of the log should be put: it can be read from the server again."""

    def __init__(self, max_events: int = 256, max_chars: int = 2**20) -> None:
        self._max_events = max_events
        self._max_chars = max_chars
        self._events: deque[Event] = deque()
        self._chars = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def full(self) -> bool:
        return len(self._events) >= self._max_events or self._chars >= self._max_chars

    @property
    def roomy(self) -> bool:
        """Half empty at least: worth filling again."""
        return len(self._events) * 2 <= self._max_events and self._chars * 2 <= self._max_chars

    def put(self, event: Event) -> None:
        if isinstance(event, _STATES):
            self._forget_older(type(event))
        if self._events and (merged := _merged(self._events[-1], event)) is not None:
            self._chars -= _size(self._events.pop())
            event = merged
        self._events.append(event)
        self._chars += _size(event)

    def take(self) -> Event | None:
        """The oldest event; None: there is none."""
        if not self._events:
            return None
        event = self._events.popleft()
        self._chars -= _size(event)
        return event

    def _forget_older(self, kind: type[Event]) -> None:
        for place in range(len(self._events) - 1, -1, -1):
            if isinstance(self._events[place], NewMessage):
                return
            if isinstance(self._events[place], kind):
                del self._events[place]
                return


def _merged(last: Event, event: Event) -> Event | None:
    """Both in one, if they are pieces of one reply."""
    if not isinstance(last, ReplyDelta | ReplySnapshot) or not isinstance(event, ReplyDelta | ReplySnapshot):
        return None
    if last.reply_id != event.reply_id:
        return None
    if isinstance(event, ReplySnapshot):
        return event
    return type(last)(event.reply_id, event.index, last.content + event.content)


def _size(event: Event) -> int:
    if isinstance(event, NewMessage):
        return len(event.message.content)
    return len(event.content) if isinstance(event, ReplyDelta | ReplySnapshot) else 0
