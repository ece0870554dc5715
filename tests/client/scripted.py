"""A server that answers from a script, and a client that talks to it without waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from generalbots_api.client import Client
from generalbots_api.testing import ManualClock

BASE = "http://api.test"
TOKEN = "gbs_first"
Step = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]


def problem(status: int, code: str, headers: dict[str, str] | None = None, **details: Any) -> httpx2.Response:
    body = {"error": {"code": code, "message": "told", "details": details}}
    return httpx2.Response(status, json=body, headers=headers)


def json(value: object, status: int = 200, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=value, headers={name.replace("_", "-"): text for name, text in headers.items()})


@dataclass
class Script:
    """The steps, one for each request; what was asked; and how long the client would have waited."""

    steps: list[Step]
    asked: list[httpx2.Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step(request) if callable(step) else step

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)

    @property
    def tokens(self) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.asked]


@asynccontextmanager
async def scripted(*steps: Step, **options: Any) -> AsyncIterator[tuple[Client, Script]]:
    script = Script(list(steps))
    options = {"base_url": BASE, "token": TOKEN, "random": Random(7), **options}  # noqa: S311 # jitter
    async with (
        httpx2.AsyncClient(transport=httpx2.MockTransport(script.answer)) as http,
        Client(http=http, clock=script.clock, sleep=script.sleep, **options) as client,
    ):
        yield client, script
