"""A far end for the tests of the way out: answers as told, waits when told; and pauses that take no time."""

from __future__ import annotations

import random

import anyio
import httpx2


class AtOnce(random.Random):
    """Draws the shortest pause and notes the longest that it might have been."""

    def __init__(self) -> None:
        super().__init__()
        self.longest: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.longest.append(b)
        return a


class Answers(httpx2.AsyncBaseTransport):
    """Gives one answer after the other, the last one for ever; with a `gate`, when it opens."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.gate: anyio.Event | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok() -> httpx2.Response:
    return httpx2.Response(200, json={"ok": True})
