"""Responses that go on: a body that is written piece by piece, until it ends or the client goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import anyio.lowlevel
from starlette.types import Receive, Send

from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.leaving import until_gone
from generalbots_api.web.reply import NO_STORE

Write = Callable[[bytes], Awaitable[None]]
"""Sends a piece of the body; waits for a client that reads slowly."""

EVENT_STREAM = b"text/event-stream"


@dataclass(frozen=True, slots=True)
class Stream:
    """A response whose body `write_body` writes. It is cancelled when the client goes."""

    write_body: Callable[[Write], Awaitable[None]]
    status: int = 200
    content_type: bytes = EVENT_STREAM


async def send_stream(stream: Stream, headers: RawHeaders, receive: Receive, send: Send, *, is_head: bool) -> None:
    """`headers` are those of the entry. Nothing on the way may keep what is not complete yet."""
    send = until_gone(send)
    headers = [*headers, NO_STORE, (b"content-type", stream.content_type), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": stream.status, "headers": headers})
    is_gone = False
    if not is_head:
        async with anyio.create_task_group() as tasks:

            async def write(piece: bytes) -> None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await anyio.lowlevel.checkpoint()  # a server's send need not wait, even after the client has gone

            async def watch() -> None:
                nonlocal is_gone
                while (await receive())["type"] != "http.disconnect":
                    pass
                is_gone = True
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await stream.write_body(write)
            tasks.cancel_scope.cancel()
    if not is_gone:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
