"""What has come from a client and is not handled yet: bounded, as reading is paused when it grows."""

from __future__ import annotations

import asyncio


class Inflow:
    """Filled by the transport, emptied by one task."""

    __slots__ = ("_bound", "_loop", "_more", "_pieces", "_size", "_transport", "is_ended")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, bound: int) -> None:
        self._loop = loop
        self._transport = transport
        self._bound = bound  # bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._more: asyncio.Future[None] | None = None
        self.is_ended = False  # the client sends no more

    def put(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._bound:
            self._transport.pause_reading()
        self._wake()

    def end(self) -> None:
        self.is_ended = True
        self._wake()

    async def next(self) -> bytes:
        """All that has come; nothing when the client sends no more."""
        while not self._pieces:
            if self.is_ended:
                return b""
            self._more = self._loop.create_future()
            await self._more
            self._more = None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._size > self._bound:
            self._transport.resume_reading()
        self._size = 0
        return data

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
