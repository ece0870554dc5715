"""One HTTP request and its response."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from runner.serving.headers import checked
from runner.serving.inbox import Gone
from runner.serving.limits import Limits
from runner.serving.names import (
    ASGIHTTPState,
    Body,
    EndBody,
    HTTPStream,
    Request,
    Response,
    StreamClosed,
    StreamEvent,
    suppress_body,
)
from runner.serving.outflow import Outflow


class Exchange(HTTPStream):
    """Hypercorn's stream; a body must come, headers are checked, and a send to nobody is an error."""

    def __init__(self, limits: Limits, outflow: Outflow, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._outflow = outflow
        self.app_put: Any = None
        self._limits = limits
        self._body_due = math.inf
        self._is_put = False  # the app has yet to receive earlier pieces: the client is not to blame
        self.is_complete = False

    async def handle(self, event: StreamEvent) -> None:
        if self.closed:
            return
        kind = type(event)
        if kind is EndBody:
            self.is_complete = True
            await self.app_put({"type": "http.request", "body": b"", "more_body": False})
        elif kind is Body:
            await self._take(event.data)  # type: ignore[attr-defined] # of a Body
        elif kind is StreamClosed:
            self.closed = True
            await self.tell_disconnect()
        elif isinstance(event, Request):
            await self._begin(event)

    async def tell_disconnect(self) -> None:
        if self.app_put is not None:
            await self.app_put({"type": "http.disconnect"})

    async def _begin(self, event: Request) -> None:
        if not event.raw_path.isascii():
            await self.refuse(400)
            return
        self._body_due = asyncio.get_running_loop().time() + self._limits.body
        await super().handle(event)
        self.scope["extensions"].clear()  # trailers and pushes, which nobody here sends; the app has not begun yet

    async def _take(self, data: bytes) -> None:
        self._body_due += len(data) / self._limits.body_rate
        self._is_put = True
        await self.app_put({"type": "http.request", "body": bytes(data), "more_body": True})
        self._is_put = False

    def check(self, now: float) -> None:
        """Answer 408 if the body does not come."""
        if not (self.is_complete or self.closed or self._is_put) and now >= self._body_due:
            self._body_due = math.inf
            self.task_group.spawn(self.refuse, 408)

    async def refuse(self, status: int) -> None:
        """Answer without the app, if it has not answered yet, and be done with the request."""
        if self.state is ASGIHTTPState.REQUEST:
            self.state = ASGIHTTPState.CLOSED
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await self.send(Response(stream_id=self.stream_id, headers=headers, status_code=status))
            await self.send(EndBody(stream_id=self.stream_id))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def app_send(self, message: Any) -> None:
        """Raises:
        Gone: the client is.
        ValueError: a header that must not be sent.
        """
        if message is None:
            if not self.closed:
                await self.refuse(500)
            return
        if self.closed:
            raise Gone
        kind = message["type"]
        if kind == "http.response.start" and self.state is ASGIHTTPState.REQUEST:
            headers = checked(message.get("headers", ()))
            self.response, self.state = message, ASGIHTTPState.RESPONSE
            await self.send(
                Response(stream_id=self.stream_id, headers=headers, status_code=int(message["status"])),
            )
        elif kind == "http.response.body" and self.state is ASGIHTTPState.RESPONSE:
            await self._send_body(message)
        else:
            await super().app_send(message)

    async def _send_body(self, message: Any) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if suppress_body(self.scope["method"], int(self.response["status"])):
            body = b""
        if body or more:
            await self.send(Body(stream_id=self.stream_id, data=bytes(body)))
        if not more:
            self.state = ASGIHTTPState.CLOSED
            await self.send(EndBody(stream_id=self.stream_id))
            await self.send(StreamClosed(stream_id=self.stream_id))
        elif self._outflow.pace.is_over():
            await asyncio.sleep(0)
