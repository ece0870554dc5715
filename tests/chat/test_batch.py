"""Batch: many requests in one, each as it would run by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chat.conftest import Stage
from tests.support.promises import check_error
from tests.support.puppet import history, new_session
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def run(client: Any, *operations: dict[str, Any]) -> list[dict[str, Any]]:
    numbered = [{"id": str(number), **operation} for number, operation in enumerate(operations)]
    answer = await client.post("/api/batch", json={"operations": numbered})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [result["id"] for result in results] == [operation["id"] for operation in numbered]
    return results


def a_send(session: str, content: str, key: str | None = None) -> dict[str, Any]:
    path = f"/api/conversations/{session}/messages"
    return {
        "method": "POST",
        "path": path,
        "body": {"content": content},
        **({"idempotency_key": key} if key else {}),
    }


async def test_each_operation_has_its_own_answer(stage: Stage) -> None:
    me, bots, unknown, wrong = await run(
        stage.client,
        {"method": "GET", "path": "/api/users/me"},
        {"method": "GET", "path": "/api/bots?limit=1"},
        {"method": "GET", "path": "/api/nothing"},
        {"method": "POST", "path": "/api/session/create", "body": {"bot_id": 7}},
    )
    assert (me["status"], me["body"]["username"]) == (200, "alice")
    assert (bots["status"], bots["body"]["bots"][0]["id"]) == (200, "puppet")
    assert (unknown["status"], unknown["body"]["error"]["code"]) == (404, "NOT_FOUND")
    assert (wrong["status"], wrong["body"]["error"]["code"]) == (400, "INVALID_REQUEST")
    assert me["headers"]["x-ratelimit-limit"] == "1000"


async def test_messages_to_one_session_keep_their_order(stage: Stage) -> None:
    second = await new_session(stage.client)
    sends = [a_send(session, f"{number}") for number in range(8) for session in (stage.session, second)]
    assert {result["status"] for result in await run(stage.client, *sends)} == {202}
    for session in (stage.session, second):
        assert [one["content"] for one in await history(stage.client, session)] == [str(n) for n in range(8)]


async def test_an_idempotency_key_makes_a_batch_safe_to_repeat(stage: Stage) -> None:
    first = await run(stage.client, a_send(stage.session, "Hello", "k"))
    again = await run(stage.client, a_send(stage.session, "Hello", "k"))
    assert again[0]["body"] == {**first[0]["body"], "duplicate": True}
    assert len(await history(stage.client, stage.session)) == 1


async def test_a_session_can_be_ended_after_a_message_to_it(stage: Stage) -> None:
    sent, ended, refused = await run(
        stage.client,
        a_send(stage.session, "Hello"),
        {"method": "DELETE", "path": f"/api/session/{stage.session}"},
        a_send(stage.session, "Too late"),
    )
    assert (sent["status"], ended["status"], refused["status"]) == (202, 200, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/batch"),
        ("POST", "/api/batch/"),
        ("POST", "/auth/logout"),
        ("GET", "/ws"),
        ("GET", "/health"),
        ("GET", "http://127.0.0.1/api/bots"),
        ("GET", "//api/bots"),
        ("GET", "/api/../auth/validate"),
        ("GET", "/api/%2e%2e/auth/validate"),
        ("POST", "/api//batch"),
        ("GET", "/api/conversations/x/events"),
        ("GET", "/api/conversations/x/history?after=0&wait=25"),
        ("GET", "/api/conversations/x/history?after=0&x=#&wait=25"),
        ("GET", "/api/böts"),
    ],
)
async def test_what_has_no_place_in_a_batch_is_refused_alone(stage: Stage, method: str, path: str) -> None:
    refused, other = await run(
        stage.client, {"method": method, "path": path}, {"method": "GET", "path": "/api/session"}
    )
    assert (refused["status"], refused["body"]["error"]["code"]) == (400, "INVALID_REQUEST")
    assert other["status"] == 200


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [{"id": str(n), "method": "GET", "path": "/api/bots"} for n in range(51)],
        [{"id": "1", "method": "GET", "path": "/api/bots"}] * 2,
        [{"id": "1", "method": "PATCH", "path": "/api/bots"}],
        [{"id": "", "method": "GET", "path": "/api/bots"}],
        [{"method": "GET", "path": "/api/bots"}],
        "all",
    ],
)
async def test_a_batch_that_is_none_is_refused_as_a_whole(stage: Stage, operations: Any) -> None:
    check_error(await stage.client.post("/api/batch", json={"operations": operations}), 400, "INVALID_REQUEST")


async def test_each_operation_costs_one_request_and_the_rest_are_429() -> None:
    async with running_service(settings={"limit_user": 5}) as service, await service.bearer("alice") as client:
        results = await run(client, *[{"method": "GET", "path": "/api/session"}] * 6)
        assert [result["status"] for result in results] == [200] * 4 + [429] * 2  # the batch itself is the fifth
        assert results[-1]["body"]["error"]["code"] == "RATE_LIMITED"
        assert "retry-after" in results[-1]["headers"]


async def test_a_batch_needs_a_session(stage: Stage) -> None:
    async with stage.service.client() as nobody:
        answer = await nobody.post("/api/batch", json={"operations": []})
        check_error(answer, 401, "UNAUTHORIZED")


async def test_a_browsers_batch_from_elsewhere_is_refused(stage: Stage) -> None:
    async with stage.service.client() as browser:
        await stage.service.log_in("alice", browser)
        operations = [{"id": "1", **a_send(stage.session, "Hello")}]
        for origin, status in (("https://evil.example", 403), ("http://127.0.0.1:8080", 200)):
            answer = await browser.post("/api/batch", json={"operations": operations}, headers={"Origin": origin})
            assert answer.status_code == status
        assert answer.json()["results"][0]["status"] == 202
