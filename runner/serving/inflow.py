"""What comes from a client: handled at once, or bounded while it waits, as reading is paused when it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from runner.serving.begun import Begun, begin

Handle = Callable[[bytes], Coroutine[Any, Any, None]]


class Inflow:
    """Filled by the transport, emptied by one task, which sleeps for as long as `handle` has not to wait."""

    __slots__ = ("_begun", "_bound", "_handle", "_loop", "_more", "_pieces", "_size", "_transport", "is_ended")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, bound: int, handle: Handle
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._bound = bound  # bytes
        self._handle = handle
        self._begun: Begun | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._more: asyncio.Future[None] | None = None
        self.is_ended = False  # the client sends no more

    def put(self, data: bytes) -> None:
        """Handle it, if nothing that came earlier is under way. Raises what `handle` does."""
        if self._more is not None and not self._more.done():
            self._begun = begin(self._handle(data))
            if self._begun is not None:
                self._wake()
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._bound:
            self._transport.pause_reading()

    def end(self) -> None:
        self.is_ended = True
        self._wake()

    async def next(self) -> Awaitable[None] | None:
        """What is to be waited for with what has come; None when the client sends no more."""
        while self._begun is None and not self._pieces:
            if self.is_ended:
                return None
            self._more = self._loop.create_future()
            await self._more
            self._more = None
        if self._begun is not None:
            begun, self._begun = self._begun, None
            return begun
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._size > self._bound:
            self._transport.resume_reading()
        self._size = 0
        return self._handle(data)

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
