"""REST messaging: the same conversation by another door."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.chat.conftest import Stage
from tests.support.promises import check_error
from tests.support.puppet import Frame, history, new_session, talk

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def send(stage: Stage, content: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    path = f"/api/conversations/{stage.session}/messages"
    return await stage.client.post(path, json={"content": content, **fields}, headers=headers)


async def listed(stage: Stage, **query: Any) -> dict[str, Any]:
    answer = await stage.client.get("/api/conversations", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def until_answered(stage: Stage, seq: int) -> list[Frame]:
    """What is in the log past `seq`, as soon as there is something."""
    return await history(stage.client, stage.session, after=seq, wait=10)


async def test_start_opens_a_conversation_and_says_the_first_word(stage: Stage) -> None:
    answer = await stage.client.post(
        "/api/conversations/start", json={"bot_id": "puppet", "initial_message": "Good morning"}
    )
    assert answer.status_code == 201
    started = answer.json()
    assert started == {
        "conversation_id": started["session_id"],
        "session_id": started["session_id"],
        "status": "active",
    }
    [message] = await history(stage.client, started["session_id"])
    assert (message["content"], message["sender"], message["seq"]) == ("Good morning", "user", 1)


async def test_a_first_word_that_is_refused_opens_nothing(stage: Stage) -> None:
    for body in ({"bot_id": "puppet", "initial_message": ""}, {"bot_id": "none"}, {"initial_message": "x"}):
        assert (await stage.client.post("/api/conversations/start", json=body)).status_code in (400, 404)
    assert (await listed(stage))["total"] == 1


async def test_a_message_is_delivered_and_answered_behind_the_scenes(stage: Stage) -> None:
    answer = await send(stage, "Hello", id="c")
    assert answer.status_code == 202
    sent = answer.json()
    [message] = await history(stage.client, stage.session)
    assert sent == {
        "message_id": message["message_id"],
        "timestamp": message["timestamp"],
        "status": "delivered",
        "seq": 1,
        "reply_id": message["reply_id"],
        "duplicate": False,
    }
    location = answer.headers["location"]
    assert [one["seq"] for one in (await stage.client.get(location)).json()["messages"]] == [1]
    await stage.puppet.began()
    stage.puppet.say("Hi")
    stage.puppet.end()
    [reply] = await until_answered(stage, 1)
    assert (reply["message_id"], reply["content"]) == (sent["reply_id"], "Hi")


async def test_the_idempotency_key_is_the_id(stage: Stage) -> None:
    first = await send(stage, "Hello", {"Idempotency-Key": "k-1"})
    again = await send(stage, "Hello", id="k-1")
    assert again.json() == {**first.json(), "duplicate": True}
    check_error(await send(stage, "Other", {"Idempotency-Key": "k-1"}), 409, "CONFLICT")
    check_error(await send(stage, "Hello", {"Idempotency-Key": "k-1"}, id="k-2"), 400, "INVALID_REQUEST")
    check_error(await send(stage, "Hello", {"Idempotency-Key": "no good"}), 400, "INVALID_REQUEST")
    assert len(await history(stage.client, stage.session)) == 1


async def test_a_reply_that_is_waited_for_comes_with_the_answer(stage: Stage) -> None:
    async with anyio.create_task_group() as tasks:

        async def answer() -> None:
            await stage.puppet.began()
            stage.puppet.say("Hi")
            stage.puppet.end()

        tasks.start_soon(answer)
        waited = await send(stage, "Hello", {"Prefer": "respond-async, wait=30"}, id="w")
    assert waited.status_code == 200
    assert waited.headers["preference-applied"] == "wait=30"
    assert waited.json()["reply"]["content"] == "Hi"
    again = await send(stage, "Hello", {"Prefer": "wait=30"}, id="w")
    assert (again.status_code, again.json()["duplicate"], again.json()["reply"]["content"]) == (200, True, "Hi")


async def test_one_that_takes_longer_than_is_waited_for_is_202(stage: Stage) -> None:
    answer = await send(stage, "Hello", {"Prefer": "wait=1"})
    assert (answer.status_code, "reply" in answer.json()) == (202, False)


async def test_cancel_by_rest(stage: Stage) -> None:
    path = f"/api/conversations/{stage.session}/cancel"
    assert (await stage.client.post(path)).json() == {"status": "idle"}
    sent = (await send(stage, "Hello")).json()
    await stage.puppet.began()
    stage.puppet.say("Part")
    assert (await stage.client.post(path, json={"reply_id": "another"})).json() == {"status": "idle"}
    assert (await stage.client.post(path, json={})).json() == {"status": "cancelled"}
    stored = (await history(stage.client, stage.session))[-1]
    assert (stored["message_id"], stored["status"]) == (sent["reply_id"], "cancelled")


async def test_the_queue_is_bounded_over_every_door(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("0")
        await one.hear_until("ack")
        for number in range(1, 11):
            assert (await send(stage, str(number))).status_code == 202
        refused = await send(stage, "11")
        check_error(refused, 409, "CONFLICT")
        assert refused.json()["error"]["details"] == {"reason": "busy"}
        await one.send("11", id="x")
        assert (await one.hear_until("error"))[-1]["error"]["details"]["reason"] == "busy"


async def test_a_long_poll_returns_at_the_first_message(stage: Stage) -> None:
    seen: list[Frame] = []
    async with anyio.create_task_group() as tasks:

        async def poll() -> None:
            seen.extend(await history(stage.client, stage.session, after=0, wait=25))

        tasks.start_soon(poll)
        await send(stage, "Hello")
    assert [one["content"] for one in seen] == ["Hello"]


async def test_the_list_tells_of_the_newest_activity_first(stage: Stage) -> None:
    second = await new_session(stage.client)
    third = await new_session(stage.client)
    await stage.client.delete(f"/api/session/{third}")
    stage.service.clock.advance(5)
    await send(stage, "Hello")
    stage.service.clock.advance(5)
    page = await listed(stage)
    assert (page["total"], page["next_cursor"]) == (3, None)
    first = page["conversations"][0]
    assert (first["bot_id"], first["bot_name"], first["status"]) == ("puppet", "Puppet", "active")
    assert {one["id"] for one in page["conversations"]} == {stage.session, second, third}
    active = await listed(stage, status="active")
    assert {one["id"] for one in active["conversations"]} == {stage.session, second}
    assert [one["id"] for one in (await listed(stage, status="ended"))["conversations"]] == [third]
    assert (await listed(stage, bot_id="other"))["total"] == 0
    by_id = {one["id"]: one for one in page["conversations"]}
    assert by_id[stage.session]["last_message"]["content"] == "Hello"
    assert by_id[second]["last_message"] is None


async def test_a_cursor_goes_on_where_the_page_ended(stage: Stage) -> None:
    ids = {stage.session, *[await new_session(stage.client) for _ in range(4)]}
    seen: list[str] = []
    cursor = None
    while True:
        page = await listed(stage, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["conversations"]]
        assert page["total"] == 5
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (len(seen), set(seen)) == (5, ids)


@pytest.mark.parametrize("cursor", ["x", "", "W10.x", "é", "a.b.c"])
async def test_a_cursor_that_is_not_ours_is_refused(stage: Stage, cursor: str) -> None:
    check_error(await stage.client.get("/api/conversations", params={"cursor": cursor}), 400, "INVALID_REQUEST")


async def test_somebody_elses_conversation_stays_his(stage: Stage) -> None:
    async with await stage.service.bearer("bob") as bob:
        base = f"/api/conversations/{stage.session}"
        check_error(await bob.post(f"{base}/messages", json={"content": "x"}), 403, "FORBIDDEN")
        check_error(await bob.post(f"{base}/cancel"), 403, "FORBIDDEN")
        check_error(await bob.get(f"{base}/history"), 403, "FORBIDDEN")
        check_error(await bob.get(f"{base}/events"), 403, "FORBIDDEN")
        check_error(await bob.post("/api/conversations/unknown/messages", json={"content": "x"}), 404, "NOT_FOUND")
        assert (await bob.get("/api/conversations")).json()["total"] == 0
