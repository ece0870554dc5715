"""The way to the Directory, as a test wants it: counted, held up, or cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import anyio
import httpx2

Answer = Callable[[httpx2.Request], httpx2.Response]


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """`Wire()(transport)` goes to `running_service(wire=...)`. Paths are told by how they end."""

    inner: httpx2.AsyncBaseTransport | None = None
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path and form of each call
    gates: dict[str, anyio.Event] = field(default_factory=dict)  # calls of this path wait here
    waiting: dict[str, anyio.Event] = field(default_factory=dict)  # set when one does
    answers: dict[str, Answer] = field(default_factory=dict)  # instead of the Directory's
    changes: dict[str, Callable[[httpx2.Response], object]] = field(default_factory=dict)  # to the Directory's JSON

    def __call__(self, inner: httpx2.AsyncBaseTransport) -> Wire:
        self.inner = inner
        return self

    def hold(self, path: str) -> tuple[anyio.Event, anyio.Event]:
        """Calls of this path wait from now on: the first event tells that one does, the second lets them go."""
        self.waiting[path], self.gates[path] = anyio.Event(), anyio.Event()
        return self.waiting[path], self.gates[path]

    def count(self, path: str, **form: str) -> int:
        return sum(called.endswith(path) and form.items() <= said.items() for called, said in self.calls)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        fields = parse_qs((await request.aread()).decode("utf-8", "replace"))
        self.calls.append((path, {name: values[0] for name, values in fields.items()}))
        for ending, gate in self.gates.items():
            if path.endswith(ending):
                self.waiting[ending].set()
                await gate.wait()
        for ending, answer in self.answers.items():
            if path.endswith(ending):
                return answer(request)
        assert self.inner is not None
        answer = await self.inner.handle_async_request(request)
        for ending, change in self.changes.items():
            if path.endswith(ending):
                await answer.aread()
                return httpx2.Response(answer.status_code, json=change(answer), request=request)
        return answer


def status(number: int, **body: object) -> Answer:
    return lambda request: httpx2.Response(number, json=body, request=request)


def hangs_up(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)
