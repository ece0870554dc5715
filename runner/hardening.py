"""What Hypercorn 0.18 needs mended from outside. Pinned to that version; a test checks the names it relies on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypercorn.asyncio import run
from hypercorn.protocol import h2, h11
from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.ws_stream import WSStream
from wsproto.events import Ping

STREAM = "WSStream"
SERVER = "TCPServer"


class PromptWSStream(WSStream):
    """Stops its pings when the stream closes.

    Hypercorn's own sleep on until the next one is due, and the connection and a
    stopping server wait for them, 20 s or until the grace is over.
    """

    _gone: asyncio.Event | None = None

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        if isinstance(event, StreamClosed) and self._gone is not None:
            self._gone.set()

    async def _send_pings(self) -> None:
        self._gone = asyncio.Event()
        interval = self.config.websocket_ping_interval
        while not self.closed:
            await self._send_wsproto_event(Ping())
            try:
                await asyncio.wait_for(self._gone.wait(), interval)
            except TimeoutError:
                continue


def harden(serve_connection: Callable[..., Awaitable[None]]) -> None:
    """Put the class in its place, and `serve_connection` in that of `TCPServer`. The last call counts."""
    for module in (h11, h2):
        setattr(module, STREAM, PromptWSStream)
    setattr(run, SERVER, serve_connection)
