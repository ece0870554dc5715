"""Which Host headers a service on loopback answers."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from runner.hosts import with_hosts_of_loopback

pytestmark = pytest.mark.anyio
GUARDED = with_hosts_of_loopback(PlainTextResponse("in"), "127.0.0.7")


async def answer_to(host: str) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=GUARDED), base_url="http://localhost") as client:
        return await client.get("/", headers={"Host": host})


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "127.0.0.7:80"]
)
async def test_names_of_this_machine_are_answered(host: str) -> None:
    assert (await answer_to(host)).text == "in"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "", "[::1", "127.0.0.8"]
)
async def test_other_names_are_refused_in_the_envelope(host: str) -> None:
    answer = await answer_to(host)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_REQUEST"
    assert answer.json()["error"]["details"] == {}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


async def test_a_handshake_is_refused_as_a_request_is() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await GUARDED({"type": "websocket", "path": "/ws", "headers": [(b"host", b"evil.example")]}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 400
