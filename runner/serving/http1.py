"""HTTP/1.1 on one connection."""

from __future__ import annotations

from typing import Any

import h11

from runner.serving.answer import Answer
from runner.serving.exchange import Exchange
from runner.serving.headers import RawHeaders
from runner.serving.limits import Limits
from runner.serving.names import (
    STREAM_ID,
    Body,
    Closed,
    Data,
    EndBody,
    H2ProtocolAssumedError,
    H11Protocol,
    H11WSConnection,
    Request,
    Response,
    StreamClosed,
    StreamEvent,
    Updated,
)
from runner.serving.outflow import Outflow
from runner.serving.websocket import WebSocket

BUSY, FREE, CLOSED = Updated(idle=False), Updated(idle=True), Closed()
END, GONE = EndBody(stream_id=STREAM_ID), StreamClosed(stream_id=STREAM_ID)
LAST = (b"connection", b"close")


class Http1(H11Protocol):
    """Hypercorn's protocol; a response of one piece is one write, and nobody waits for a client that is gone."""

    def __init__(self, limits: Limits, outflow: Outflow, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits
        self._outflow = outflow
        self._head = b""  # of a response whose body has not begun
        self._is_head = False  # the request under way has the method HEAD
        self._answer: Answer | None = None  # None: h11 writes it

    @property
    def streams_open(self) -> list[Exchange | WebSocket]:
        return [] if self.stream is None else [self.stream]  # type: ignore[list-item] # made below

    async def receive(self, data: bytes) -> None:
        if isinstance(self.stream, WebSocket):
            await self.stream.receive(data)
        else:
            self.connection.receive_data(data)
            await self._handle_events()

    async def half_closed(self) -> None:
        """The client sends no more: it may still read the answer to what it has sent."""
        if isinstance(self.stream, Exchange) and self.stream.is_complete:
            await self.stream.tell_disconnect()
        else:
            await self.handle(CLOSED)

    async def stream_send(self, event: StreamEvent) -> None:
        kind = type(event)
        if isinstance(event, Response):
            self._answer = self._answer_of(event)
            self._head += self._bytes(self._response(event)) if self._answer is None else self._answer.head
            if event.status_code < 200:
                await self._write(b"")
        elif kind is Body:
            await self._write(self._piece(event.data))  # type: ignore[attr-defined] # of a Body
        elif kind is EndBody:
            await self._write(self._last_piece())
        elif kind is Data:
            await self._outflow.send(event.data)  # type: ignore[attr-defined] # of a Data
        elif kind is StreamClosed:
            await self._maybe_recycle()

    @property
    def _is_last(self) -> bool:
        return self.context.terminated.is_set() or self.keep_alive_requests >= self.config.keep_alive_max_requests

    def _answer_of(self, event: Response) -> Answer | None:
        """None also where h11 has yet to read, or is to say that the connection is closed."""
        if self.connection.their_state is not h11.DONE or self._is_head or self._is_last:
            return None
        return Answer.of(event.status_code, event.headers)

    def _response(self, event: Response) -> h11.Response | h11.InformationalResponse:
        if event.status_code < 200:
            return h11.InformationalResponse(headers=event.headers, status_code=event.status_code)
        headers = [*event.headers, LAST] if self._is_last else event.headers
        return h11.Response(headers=headers, status_code=event.status_code)

    def _piece(self, data: bytes) -> bytes:
        if self._answer is None:
            return self._bytes(h11.Data(data=data))
        self._answer.count(data)
        return data

    def _last_piece(self) -> bytes:
        if self._answer is None:
            return self._bytes(h11.EndOfMessage())
        self._answer.end()
        return b""

    def _bytes(self, event: Any) -> bytes:
        """What goes on the wire: nothing if either side has broken the protocol already."""
        connection = self.connection
        if connection.our_state is h11.ERROR:
            return b""
        try:
            return connection.send(event) or b""
        except h11.LocalProtocolError:
            if connection.their_state is h11.ERROR:
                return b""
            raise

    async def _write(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if data:
            await self._outflow.send(data)

    async def _handle_events(self) -> None:
        while True:
            connection = self.connection
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                    await self.refuse(error.error_status_hint)
                await self.send(CLOSED)
                return
            kind = type(event)
            if event is h11.NEED_DATA or kind is h11.ConnectionClosed:
                return
            if event is h11.PAUSED:
                await self.can_read.clear()
                await self.can_read.wait()
            elif kind is h11.Request:
                await self.send(BUSY)
                await self._begin(event)  # type: ignore[arg-type] # of its kind
                if self.connection.they_are_waiting_for_100_continue:
                    await self._write(self._bytes(h11.InformationalResponse(status_code=100, headers=[])))
            elif self.stream is None:
                return
            elif kind is h11.EndOfMessage:
                await self.stream.handle(END)
                if not self.connection.trailing_data[0]:
                    return
            elif kind is h11.Data:
                await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))  # type: ignore[union-attr]
            else:
                await self.stream.handle(event)  # type: ignore[arg-type] # Data, of a WebSocket

    async def refuse(self, status: int) -> None:
        """Answer what is no request."""
        headers = [(b"content-length", b"0"), LAST]
        head = self._bytes(h11.Response(status_code=status, headers=headers))
        await self._write(head + self._bytes(h11.EndOfMessage()))

    async def _begin(self, request: h11.Request) -> None:
        if request.method == b"PRI" and request.target == b"*" and request.http_version == b"2.0":
            raise H2ProtocolAssumedError(b"PRI * HTTP/2.0\r\n\r\n" + self.connection.trailing_data[0])
        self._is_head = request.method == b"HEAD"
        headers = list(request.headers)
        kind = WebSocket if is_websocket(request.method, headers) else Exchange
        self.stream = kind(
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
            STREAM_ID,
        )
        if kind is WebSocket:
            self.connection = H11WSConnection(self.connection)  # type: ignore[arg-type] # of HTTP until now
        self.keep_alive_requests += 1
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _maybe_recycle(self) -> None:
        await self._write(b"")
        await self._close_stream()
        connection, answer, self._answer = self.connection, self._answer, None
        is_written = answer.is_ended if answer is not None else connection.our_state is h11.DONE
        if is_written and connection.their_state is h11.DONE and not self.context.terminated.is_set():
            self._begin_anew(connection.trailing_data[0])
            await self.can_read.set()
            await self.send(FREE)
        else:
            await self.can_read.set()
            await self.send(CLOSED)

    def _begin_anew(self, rest: bytes) -> None:
        """Not by h11's `start_next_cycle`, which wants to have written the answer."""
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)
        if rest:
            self.connection.receive_data(rest)

    async def _close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.handle(GONE)


def is_websocket(method: bytes, headers: RawHeaders) -> bool:
    upgrade = connection = b""
    for name, value in headers:
        if name == b"upgrade":
            upgrade = value
        elif name == b"connection":
            connection = value
    if upgrade.strip().lower() != b"websocket" or method != b"GET":
        return False
    return any(token.strip() == b"upgrade" for token in connection.lower().split(b","))
