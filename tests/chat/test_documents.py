"""The documents tell what the doors to conversations take and give."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.service import running_service

pytestmark = pytest.mark.anyio


async def document(path: str) -> Any:
    async with running_service() as service, service.client() as client:
        return (await client.get(path)).json()


async def test_a_send_is_told_with_its_headers_and_its_three_kinds_of_answer() -> None:
    send = (await document("/openapi.json"))["paths"]["/api/conversations/{id}/messages"]["post"]
    assert {one["name"] for one in send["parameters"] if one["in"] == "header"} == {"Idempotency-Key", "Prefer"}
    assert set(send["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(send["responses"]["202"]["content"]) == {"application/json"}


async def test_events_are_told_as_events_that_resume() -> None:
    events = (await document("/openapi.json"))["paths"]["/api/conversations/{id}/events"]["get"]
    assert [one["name"] for one in events["parameters"] if one["in"] == "header"] == ["Last-Event-ID"]
    assert set(events["responses"]["200"]["content"]) == {"text/event-stream"}


async def test_the_body_of_a_cancel_may_be_left_out_and_that_of_a_send_may_not() -> None:
    paths = (await document("/openapi.json"))["paths"]
    assert paths["/api/conversations/{id}/cancel"]["post"]["requestBody"]["required"] is False
    assert paths["/api/conversations/{id}/messages"]["post"]["requestBody"]["required"] is True


async def test_both_sides_of_the_socket_ping() -> None:
    operations = (await document("/asyncapi.json"))["operations"]
    for side in ("receive", "send"):
        names = {one["$ref"].rpartition("/")[2] for one in operations[side]["messages"]}
        assert {"PingFrame", "PongFrame"} <= names
