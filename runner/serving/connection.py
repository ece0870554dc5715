"""One connection: reads as fast as it is handled, writes at once, and is looked at by one clock for all."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from typing import TYPE_CHECKING, Any, cast

from runner.serving.http1 import Http1
from runner.serving.http2 import Http2
from runner.serving.inbox import Tasks
from runner.serving.inflow import Inflow
from runner.serving.names import Closed, ConnectionState, H2ProtocolAssumedError, RawData, Updated, WireEvent
from runner.serving.outflow import Outflow
from runner.serving.websocket import WebSocket

if TYPE_CHECKING:
    from runner.serving.server import Server

log = logging.getLogger("runner")

CLOSED = Closed()
Address = tuple[str, int] | None


class Connection(asyncio.Protocol):
    """Takes the place of Hypercorn's `TCPServer`: no task for a timer, and its end waits for nobody."""

    _transport: asyncio.Transport
    _protocol: Http1 | Http2
    _inflow: Inflow
    _outflow: Outflow
    _reading: asyncio.Task[None]

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(self._loop, server.limits.queued)
        self._is_closing = False
        self._is_idle = True
        self._is_begun = False  # a request's head
        self._due = self._loop.time() + self._limits.keep_alive

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inflow = Inflow(self._loop, self._transport, self._limits.unread, self._handle)
        self._outflow = Outflow(self._loop, self._transport, self._server.pace)
        self._server.connections.add(self)
        if len(self._server.connections) > self._limits.connections:
            self._transport.abort()
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self._is_tls = tls is not None
        is_h2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        self._protocol = self._new(Http2 if is_h2 else Http1)
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(self._read_all)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return  # nothing will come of it
        if self._is_idle and not self._is_begun and isinstance(self._protocol, Http1):
            self._is_begun, self._due = True, self._loop.time() + self._limits.head
        try:
            self._inflow.put(data)
        except Exception:
            log.exception("connection.failed")
            self._transport.abort()

    def eof_received(self) -> bool:
        self._inflow.end()
        if self._is_closing:
            self._transport.close()
        return not self._is_tls  # True keeps the other direction open

    def pause_writing(self) -> None:
        self._outflow.pause()

    def resume_writing(self) -> None:
        self._outflow.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._inflow.end()
        self._outflow.lose()
        if self._reading.done():  # the client had said that it would send no more
            self._tasks.spawn(self._protocol.handle, CLOSED)
        self._reading.cancel()  # whatever it waits for: an app, a response before this request, or more data

    # What the protocol calls

    async def send(self, event: WireEvent) -> None:
        if isinstance(event, RawData):
            await self._outflow.send(event.data)
        elif isinstance(event, Updated):
            self._update(is_idle=event.idle)
        elif isinstance(event, Closed):
            self.close()

    def _update(self, *, is_idle: bool) -> None:
        self._is_idle, self._is_begun = is_idle, False
        if is_idle:
            self._due = self._loop.time() + self._limits.keep_alive
            if self._inflow.is_ended or (self._server.is_letting_go):
                self.close()

    # Its life

    def _new(self, kind: type[Http1] | type[Http2]) -> Http1 | Http2:
        server, transport = self._server, self._transport
        return kind(
            self._limits,
            self._outflow,
            server.app,
            server.config,
            server.context,
            self._tasks,
            ConnectionState({}),
            self._is_tls,
            address(transport.get_extra_info("peername")),
            address(transport.get_extra_info("sockname")),
            self.send,
        )

    async def _read(self) -> None:
        try:
            await self._protocol.initiate()
            while (handling := await self._inflow.next()) is not None:
                await handling
            await self._protocol.half_closed()
        except Exception:
            log.exception("connection.failed")
            self._transport.abort()

    async def _handle(self, data: bytes) -> None:
        try:
            await self._protocol.receive(data)
        except H2ProtocolAssumedError as error:  # HTTP/2 without TLS
            self._protocol = self._new(Http2)
            await self._protocol.initiate()
            if error.data:
                await self._protocol.receive(error.data)

    def _read_all(self, reading: asyncio.Task[None]) -> None:
        if not self._loop.is_closed():
            self._finishing = self._loop.create_task(self._finish())

    async def _finish(self) -> None:
        """Tell the apps if the client is gone, and wait until they are done."""
        try:
            if self._outflow.is_lost:
                await self._protocol.handle(CLOSED)
            await self._tasks.finished()
            await self._protocol.handle(CLOSED)
        except Exception:
            log.exception("connection.failed")
        finally:
            self._transport.close()
            self._server.connections.discard(self)
            self._server.notice()

    def close(self) -> None:
        """Close after what waits has been sent.

        The client is told first and has a moment to take notice: the answer to a
        body that was not read would be lost in a reset.
        """
        if self._is_closing or self._outflow.is_lost:
            return
        now = self._loop.time()
        self._is_closing, self._due = True, now + self._limits.linger
        self._outflow.renew(now)
        if self._inflow.is_ended or self._is_tls or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # a browser that closes a tab has cut the connection by then
            self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()

    def let_go(self) -> None:
        """Close it if no request is under way."""
        if self._is_idle and not self._is_begun:
            self.close()

    def restart(self) -> None:
        """Tell what is still open of WebSockets to come back elsewhere."""
        for stream in self._protocol.streams_open:
            if isinstance(stream, WebSocket) and stream.is_open:
                self._tasks.spawn(stream.end, 1012, "The service is restarting")

    def check(self, now: float) -> None:
        """See whether the client is late with anything. Called every `Limits.sweep`."""
        if self._outflow.is_stuck(now, self._limits.write):
            self._transport.abort()
        elif self._is_closing:
            if now >= self._due and not self._transport.get_write_buffer_size():
                self._transport.abort()
        elif self._is_idle:
            if now >= self._due:
                self._tasks.spawn(self._late)
        elif streams := self._protocol.streams_open:
            for stream in streams:
                stream.check(now)
        else:
            self._update(is_idle=True)  # of HTTP/2: what the client has reset is not told as an end

    async def _late(self) -> None:
        self._due = math.inf
        if self._is_begun and isinstance(self._protocol, Http1):
            await self._protocol.refuse(408)
        self.close()


def address(name: Any) -> Address:
    """None for a Unix socket."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
