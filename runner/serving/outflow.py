"""What goes to a client: written at once, and waited for by who writes when the client does not take it."""

from __future__ import annotations

import asyncio

from runner.serving.pace import Pace


class Outflow:
    """Of one connection."""

    __slots__ = ("_loop", "_room", "_taken", "_taken_at", "_transport", "_written", "is_lost", "pace")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, pace: Pace) -> None:
        self._loop = loop
        self._transport = transport
        self._room: asyncio.Future[None] | None = None  # None: there is room
        self._written = self._taken = 0  # bytes: by us, and by the client when last looked
        self._taken_at = 0.0
        self.is_lost = False  # there is no client any more
        self.pace = pace

    async def send(self, data: bytes) -> None:
        """Write, and return when there is room for more."""
        if self.is_lost or self._transport.is_closing():
            return
        self._transport.write(data)
        self._written += len(data)
        while self._room is not None:
            await asyncio.shield(self._room)

    def pause(self) -> None:
        self._room = self._loop.create_future()

    def resume(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def lose(self) -> None:
        self.is_lost = True
        self.resume()

    def renew(self, now: float) -> None:
        """Give the client its time once more."""
        self._taken_at = now

    def is_stuck(self, now: float, patience: float) -> bool:
        """Has the client taken nothing for so many seconds, of what waits for it?"""
        waiting = self._transport.get_write_buffer_size()
        taken = self._written - waiting
        if not waiting or taken > self._taken:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at >= patience
