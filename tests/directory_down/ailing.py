"""A Directory that can be ill in every way, between the service and the development directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing
from tests.backends.oidc_stage import AtOnce
from tests.support.service import Service, running_service

ILLNESSES = ["refuses", "hangs", "HTML 200", "500", "oversized"]
DOWN = {"refuses": 503, "hangs": 503, "HTML 200": 502, "500": 503, "oversized": 502}  # what a call that needs it is
HASTE = 1_000  # a second of a time-out takes a thousandth of one here


class Ailing(httpx2.AsyncBaseTransport):
    """Passes calls on while it is well. One that hangs lets them wait as long as they say that they wait for bytes."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.illness: str | None = None
        self.gate: anyio.Event | None = None  # hangs until it opens, whatever the time-outs
        self.calls = 0
        self.hanging = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        if self.gate is not None:
            self.hanging += 1
            try:
                await self.gate.wait()
            finally:
                self.hanging -= 1
        match self.illness:
            case "refuses":
                raise httpx2.ConnectError("Connection refused")
            case "hangs":
                await anyio.sleep(request.extensions["timeout"]["read"] / HASTE)
                raise httpx2.ReadTimeout("")
            case "HTML 200":
                return httpx2.Response(200, html="<h1>It works!</h1>")
            case "500":
                return httpx2.Response(500, html="<h1>Internal Server Error</h1>")
            case "quota":
                return httpx2.Response(429, json={"code": "resource_exhausted", "message": "words of Zitadel"})
            case "oversized":
                return httpx2.Response(200, json={"sub": "x" * 1_048_576})
        return await self.inner.handle_async_request(request)


@dataclass(slots=True)
class Ward:
    """A service, and the way to its directory."""

    service: Service
    directory: Ailing
    way: BoundedTransport

    def recover(self) -> None:
        """Well again, and all pauses are over."""
        self.directory.illness = None
        self.service.clock.advance(10)


@asynccontextmanager
async def ward(**options: Any) -> AsyncIterator[Ward]:
    ailing: list[Ailing] = []

    def wire(transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        ailing.append(Ailing(transport))
        return ailing[0]

    async with running_service(wire=wire, **options) as service:
        outgoing: Outgoing = service.gb._services.directory._outgoing  # type: ignore[union-attr]
        outgoing.random = AtOnce()  # or every test would wait for the pauses between tries
        yield Ward(service, ailing[0], outgoing.transport)
