"""HTTP/2 on one connection."""

from __future__ import annotations

from typing import Any

import h2.errors
import h2.events
import h2.exceptions
from priority.priority import DuplicateStreamError

from runner.serving.exchange import Exchange
from runner.serving.limits import Limits
from runner.serving.names import (
    Closed,
    H2Protocol,
    RawData,
    Request,
    StreamBuffer,
    Updated,
    WireEvent,
    filter_pseudo_headers,
)
from runner.serving.outflow import Outflow
from runner.serving.websocket import WebSocket


class Http2(H2Protocol):
    """Hypercorn's protocol; what comes for a stream that has ended is no failure, and resets are counted."""

    def __init__(self, limits: Limits, outflow: Outflow, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits
        self._outflow = outflow
        self._resets = 0

    @property
    def streams_open(self) -> list[Exchange | WebSocket]:
        return list(self.streams.values())  # type: ignore[arg-type] # made below

    async def receive(self, data: bytes) -> None:
        await self.handle(RawData(data))

    async def half_closed(self) -> None:
        await self.handle(Closed())

    async def handle(self, event: WireEvent) -> None:
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()  # nobody empties it any more, and an app may wait for that

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                self._give_back(event)
            elif isinstance(event, h2.events.RequestReceived) and self.context.terminated.is_set():
                self.connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            elif isinstance(event, h2.events.StreamReset) and self._is_too_much():
                self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
                await self._flush()
                await self.send(Closed())
                return
            else:
                await super()._handle_events([event])
        await self._flush()

    def _give_back(self, event: h2.events.DataReceived) -> None:
        """Let the client send on elsewhere: its stream was answered before all of its body had come."""
        try:
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        except h2.exceptions.ProtocolError:
            return  # the connection is closed

    def _is_too_much(self) -> bool:
        """Source: CVE-2023-44487, streams that are opened and reset at once."""
        self._resets += 1
        return self._resets > self._limits.resets

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        head = dict(request.headers)
        id, method = request.stream_id, head.get(b":method", b"").decode("latin-1").upper()
        kind = WebSocket if method == "CONNECT" else Exchange
        stream = kind(
            self._limits,
            self._outflow,
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            id,
        )
        self.streams[id] = stream
        self.stream_buffers[id] = StreamBuffer(self.context.event_class)
        try:
            self.priority.insert_stream(id)
        except DuplicateStreamError:  # a PRIORITY frame came before it
            pass
        else:
            self.priority.block(id)
        self.keep_alive_requests += 1
        await self.send(Updated(idle=False))
        await stream.handle(
            Request(
                stream_id=id,
                headers=filter_pseudo_headers(request.headers),
                http_version="2",
                method=method,
                raw_path=head.get(b":path", b""),
                state=self.connection_state,
            )
        )
