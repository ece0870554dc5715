"""Waiting for messages to be stored, on this node or another."""

from __future__ import annotations

import anyio

from generalbots_api.conversations.events import Event, Stored

LOOK_AGAIN = 1.0  # seconds: what the bus has lost is found in the log


class News:
    """A listener that wakes whoever waits when a message is stored."""

    def __init__(self) -> None:
        self._heard = anyio.Event()

    def hear(self, event: Event) -> None:
        if isinstance(event.what, Stored):
            self._heard.set()

    async def wait(self) -> None:
        """Return at the next one, or at one since the last call; after a second in any case."""
        with anyio.move_on_after(LOOK_AGAIN):
            await self._heard.wait()
        self._heard = anyio.Event()
