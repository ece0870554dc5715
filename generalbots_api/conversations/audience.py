"""Who listens to one conversation on this node."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from generalbots_api.conversations.events import Event

AT_ONCE = 64  # listeners that are told in one turn of the event loop
MOST_WAITING = 16  # events that some have yet to be told

Listener = Callable[[Event], None]
"""Called on the event loop with each event; returns at once and never raises."""


class Spread(NamedTuple):
    event: Event
    left: deque[Listener]  # to be told
    told: asyncio.Future[None]


@dataclass(slots=True)
class Audience:
    """Each hears each event once, in order. Of many, the first have it on the wire before the last are told."""

    leave: Callable[[], None]
    listeners: dict[Listener, None] = field(default_factory=dict)  # in the order in which they came
    gaps: dict[Listener, Callable[[], None]] = field(default_factory=dict)
    _spreading: deque[Spread] = field(default_factory=deque)

    def tell(self, event: Event) -> asyncio.Future[None] | None:
        """Tell them now, or, if they are many, some at a time; then what is done when all are told."""
        if not self._spreading and len(self.listeners) <= AT_ONCE:
            for listener in tuple(self.listeners):  # one may leave meanwhile
                listener(event)
            return None
        told = asyncio.get_running_loop().create_future()
        self._spreading.append(Spread(event, deque(self.listeners), told))
        if len(self._spreading) == 1:
            self._go_on()
        while len(self._spreading) > MOST_WAITING:  # whoever tells does not wait: nothing may pile up for that
            self._tell_some()
        return told

    def _go_on(self) -> None:
        if self._spreading:
            self._tell_some()
        if self._spreading:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _tell_some(self) -> None:
        event, left, told = self._spreading[0]
        for _ in range(min(AT_ONCE, len(left))):
            listener = left.popleft()
            if listener in self.listeners:
                listener(event)
        if not left:
            self._spreading.popleft()
            if not told.done():
                told.set_result(None)
