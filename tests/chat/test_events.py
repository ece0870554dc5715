"""Server-sent events: what happens in a conversation, live and resumed, and one turn."""

from __future__ import annotations

import json

import anyio
import pytest

from generalbots_api import BotAccess
from tests.chat.conftest import Stage
from tests.support.events import listening
from tests.support.puppet import history, talk

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


def path(stage: Stage, ending: str) -> str:
    return f"/api/conversations/{stage.session}/{ending}"


def bearer(stage: Stage, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.token}", **headers}


async def test_a_turn_comes_as_events(stage: Stage) -> None:
    async with listening(stage.service.app, "GET", path(stage, "events"), bearer(stage)) as source:
        assert (source.status, source.headers["content-type"]) == (200, "text/event-stream")
        assert source.headers["cache-control"] == "no-store"
        begun = await source.hear()
        async with talk(stage.service, stage.token, stage.session) as one:
            await one.send("Hello")
            await stage.puppet.began()
            stage.puppet.say("Hi", " there")
            stage.puppet.end()
            await one.hear_until("message")
        question, start, *deltas, answer = [await source.hear() for _ in range(5)]
    stored = await history(stage.client, stage.session)
    epoch = begun["data"]["epoch"]
    assert (begun["event"], begun["id"], begun["data"]["seq"]) == ("subscribed", f"{epoch}:0", 0)
    assert (question["event"], question["id"]) == ("message", f"{epoch}:1")
    assert (start["event"], "id" in start) == ("message.start", False)
    assert [delta["data"]["content"] for delta in deltas] == ["Hi", " there"]
    assert answer == {"id": f"{epoch}:2", "event": "message", "data": {"type": "message", **stored[1]}}


async def test_the_last_event_id_resumes(stage: Stage) -> None:
    async with listening(stage.service.app, "GET", path(stage, "events"), bearer(stage)) as source:
        begun = await source.hear()
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.say("Hi")
        await one.hear_until("message.delta")
        headers = bearer(stage, **{"Last-Event-ID": begun["id"]})
        async with listening(stage.service.app, "GET", path(stage, "events"), headers) as source:
            resumed, question, snapshot = [await source.hear() for _ in range(3)]
            stage.puppet.end()
            answer = await source.hear()
    assert (resumed["data"]["recovered"], resumed["data"]["replayed"], resumed["id"]) == (True, 1, begun["id"])
    assert question["data"]["content"] == "Hello"
    assert (snapshot["event"], snapshot["data"]["content"]) == ("message.snapshot", "Hi")
    assert (answer["data"]["seq"], answer["data"]["content"]) == (2, "Hi")


async def test_a_place_of_another_log_is_not_recovered(stage: Stage) -> None:
    headers = bearer(stage, **{"Last-Event-ID": "another:5"})
    async with listening(stage.service.app, "GET", path(stage, "events"), headers) as source:
        assert (await source.hear())["data"]["recovered"] is False


@pytest.mark.parametrize("id", ["5", ":5", "x:", "x:-1", "x:1.5", "x:" + "9" * 30])
async def test_an_id_that_is_none_is_refused(stage: Stage, id: str) -> None:
    answer = await stage.client.get(path(stage, "events"), headers={"Last-Event-ID": id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")


async def test_a_send_can_stream_its_turn(stage: Stage) -> None:
    headers = bearer(stage, **{"Accept": "text/event-stream", "Content-Type": "application/json"})
    body = json.dumps({"content": "Hello", "id": "c"}).encode()
    async with listening(stage.service.app, "POST", path(stage, "messages"), headers, body) as source:
        ack = await source.hear()
        await stage.puppet.began()
        stage.puppet.say("Hi")
        stage.puppet.end()
        events = await source.hear_until("message")
        with pytest.raises(anyio.EndOfStream):
            await source.hear()
    assert (ack["event"], ack["data"]["id"], ack["data"]["seq"]) == ("ack", "c", 1)
    assert (events[-1]["data"]["content"], events[-1]["data"]["message_id"]) == ("Hi", ack["data"]["reply_id"])
    async with listening(stage.service.app, "POST", path(stage, "messages"), headers, body) as source:
        ack, answer = await source.hear(), await source.hear()
        with pytest.raises(anyio.EndOfStream):
            await source.hear()
    assert (ack["data"]["duplicate"], answer["data"]["content"]) == (True, "Hi")


async def test_a_stream_counts_as_a_socket_and_ends_with_the_login(stage: Stage) -> None:
    sockets = stage.service.gb._services.sockets
    async with listening(stage.service.app, "GET", path(stage, "events"), bearer(stage)) as source:
        await source.hear()
        assert sockets.count == 1
        assert (await stage.client.post("/auth/logout")).status_code == 200
        goodbye = await source.hear()
        assert (goodbye["event"], goodbye["data"]["code"], goodbye["data"]["reconnect"]) == ("goodbye", 4401, False)
        with pytest.raises(anyio.EndOfStream):
            await source.hear()
    assert sockets.count == 0


async def test_a_client_that_hangs_up_leaves_nothing_behind(stage: Stage) -> None:
    services = stage.service.gb._services
    for _ in range(5):
        async with listening(stage.service.app, "GET", path(stage, "events"), bearer(stage)) as source:
            await source.hear()
    assert services.sockets.count == 0
    assert services.chat.feed._audiences == {}


async def test_what_is_told_of_the_right_to_listen_comes_as_events_too(stage: Stage) -> None:
    sockets, clock = stage.service.gb._services.sockets, stage.service.clock
    async with listening(stage.service.app, "GET", path(stage, "events"), bearer(stage)) as source:
        await source.hear()
        clock.advance(3_600 - 30)
        await sockets.sweep()
        assert (await source.hear())["event"] == "session.expiring"
        stage.puppet.access = BotAccess(roles=frozenset({"nobody's"}))
        await sockets.confirm()
        updated, goodbye = await source.hear(), await source.hear()
    assert (updated["event"], updated["data"]["reason"]) == ("session.updated", "forbidden")
    assert (goodbye["event"], goodbye["data"]["code"]) == ("goodbye", 4403)
