"""Server-sent events as a browser reads them, straight from the ASGI app: the test client keeps a body back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.types import ASGIApp, Message

Parsed = dict[str, Any]


@dataclass
class EventSource:
    """One response that goes on; `events` come as dicts of `id`, `event` and decoded `data`."""

    pieces: MemoryObjectReceiveStream[bytes]
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    _rest: str = ""

    async def hear(self) -> Parsed:
        """The next event; comments are passed over.

        Raises:
            anyio.EndOfStream: the response has ended.
        """
        with anyio.fail_after(10):
            while "\n\n" not in self._rest:
                self._rest += (await self.pieces.receive()).decode()
        text, _, self._rest = self._rest.partition("\n\n")
        parsed: Parsed = {}
        for line in text.split("\n"):
            name, _, value = line.partition(": ")
            parsed[name] = json.loads(value) if name == "data" else value
        return parsed if "data" in parsed else await self.hear()

    async def hear_until(self, kind: str) -> list[Parsed]:
        events = [await self.hear()]
        while events[-1]["event"] != kind:
            events.append(await self.hear())
        return events


@asynccontextmanager
async def listening(
    app: ASGIApp, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> AsyncIterator[EventSource]:
    """The response as soon as its head is there; leaving hangs up."""
    send_pieces, pieces = anyio.create_memory_object_stream[bytes](1_000)
    source = EventSource(pieces)
    begun, gone = anyio.Event(), anyio.Event()
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if whole:
            return whole.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            source.status = message["status"]
            source.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            begun.set()
        elif message["body"]:
            await send_pieces.send(message["body"])

    async def run() -> None:
        with send_pieces:
            await app(http_scope(method, path, headers), receive, send)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(10):
            await begun.wait()
        with pieces:
            yield source
            gone.set()
            with anyio.fail_after(10):
                async for _ in pieces:
                    pass


def http_scope(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_001),
        "server": ("127.0.0.1", 8080),
    }
