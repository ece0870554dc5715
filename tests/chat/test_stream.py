"""`gb.v1`: the frames of a turn, resuming without a gap or a double, stopping, several devices."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from httpx2.websockets import WebSocketDisconnect

from generalbots_api import BotAccess
from generalbots_api.ids import BotSessionId
from generalbots_api.storage import Storage
from tests.chat.conftest import Stage
from tests.support.puppet import Frame, Puppet, Talk, history, new_session, talk
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames]


async def test_hello_tells_the_bounds(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        hello = one.hello
    assert hello.pop("connection_id")
    assert hello.pop("user_id")
    assert hello.pop("session_expires_at").endswith("Z")
    assert hello == {
        "type": "hello",
        "protocol": "gb.v1",
        "heartbeat_ms": 25_000,
        "pong_timeout_ms": 10_000,
        "limits": {"frame_bytes": 65_536, "content_chars": 32_000, "frames_per_second": 20},
    }


async def test_a_turn_is_ack_start_deltas_and_the_whole_message(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello", id="c-1", metadata={"a": 1})
        await stage.puppet.began()
        stage.puppet.say("Hel", "lo")
        stage.puppet.end()
        ack, start, *deltas, message = await one.hear_until("message")
    stored = await history(stage.client, stage.session)
    asked, answered = stored
    assert ack.pop("rate")["limit"] == 1_000
    assert ack == {
        "type": "ack",
        "id": "c-1",
        "session_id": stage.session,
        "message_id": asked["message_id"],
        "seq": 1,
        "duplicate": False,
        "reply_id": answered["message_id"],
    }
    assert start == {
        "type": "message.start",
        "session_id": stage.session,
        "reply_id": answered["message_id"],
        "in_reply_to": asked["message_id"],
        "bot_id": "puppet",
    }
    assert [(delta["index"], delta["content"]) for delta in deltas] == [(0, "Hel"), (1, "lo")]
    assert message == {"type": "message", **answered}
    assert (answered["content"], answered["seq"], answered["status"]) == ("Hello", 2, "completed")


async def test_a_send_that_is_repeated_is_answered_once(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello", id="c")
        first = await one.hear()
        await stage.puppet.began()
        await one.send("Hello", id="c")
        again = (await one.hear_until("ack"))[-1]
        await one.send("Other", id="c")
        refused = (await one.hear_until("error"))[-1]
        stage.puppet.end()
        await one.hear_until("message")
    assert (again["duplicate"], again["seq"], again["reply_id"]) == (True, first["seq"], first["reply_id"])
    assert (refused["id"], refused["error"]["code"]) == ("c", "CONFLICT")
    assert stage.puppet.asked == ["Hello"]
    assert len(await history(stage.client, stage.session)) == 2


async def test_a_second_device_hears_the_question_and_the_answer(stage: Stage) -> None:
    async with (
        talk(stage.service, stage.token, stage.session) as one,
        talk(stage.service, stage.token, stage.session) as other,
    ):
        assert (await other.subscribe(id="s"))["replayed"] == 0
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.say("Hi")
        stage.puppet.end()
        mine = await one.hear_until("message")
        question = await other.hear()
        theirs = await other.hear_until("message")
    assert (question["sender"], question["content"], question["seq"]) == ("user", "Hello", 1)
    assert kinds(mine) == ["ack", "message.start", "message.delta", "message"]
    assert theirs == mine[1:]


async def test_resuming_replays_what_was_missed_and_joins_the_running_reply(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        for number in (1, 2):
            await one.send(f"Question {number}")
            await stage.puppet.began(number)
            stage.puppet.say(f"Answer {number}")
            if number == 1:
                stage.puppet.end()
        await one.hear_until("message")
    stage.puppet.say(", and more")
    async with talk(stage.service, stage.token, stage.session) as again:
        joined = await again.subscribe(after_seq=1)
        while joined["running"]["index"] < 1:  # the piece above may be on its way
            joined = await again.subscribe(after_seq=1)
        replayed = [await again.hear() for _ in range(3)]
        stage.puppet.say("!")
        stage.puppet.end()
        rest = await again.hear_until("message")
    assert (joined["recovered"], joined["replayed"], joined["seq"]) == (True, 2, 3)
    assert [frame["seq"] for frame in replayed[:2]] == [2, 3]
    assert (replayed[2]["type"], replayed[2]["index"], replayed[2]["content"]) == (
        "message.snapshot",
        1,
        "Answer 2, and more",
    )
    assert kinds(rest) == ["message.delta", "message"]
    assert (rest[0]["index"], rest[1]["content"], rest[1]["seq"]) == (2, "Answer 2, and more!", 4)


async def test_a_client_that_has_every_piece_gets_no_snapshot(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.say("a", "b")
        start, *deltas = [await one.hear() for _ in range(4)][1:]
    async with talk(stage.service, stage.token, stage.session) as again:
        await again.subscribe(after_seq=1, reply={"reply_id": start["reply_id"], "index": deltas[-1]["index"]})
        stage.puppet.say("c")
        stage.puppet.end()
        frames = await again.hear_until("message")
    assert [(frame["type"], frame.get("index")) for frame in frames] == [("message.delta", 2), ("message", None)]


async def test_what_cannot_be_replayed_is_not_replayed_in_part(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.end()
        await one.hear_until("message")
        for place in ({"after_seq": 0, "epoch": "another"}, {"after_seq": 99}):
            answer = await one.subscribe(**place)
            assert (answer["recovered"], answer["replayed"], answer["seq"]) == (False, 0, 2)
        await one.say({"type": "ping"})
        assert await one.hear() == {"type": "pong"}


async def test_a_disconnect_does_not_stop_a_reply(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
    stage.puppet.say("still here")
    stage.puppet.end()
    answer = await stage.client.get(f"/api/conversations/{stage.session}/history?after=1&wait=10")
    assert [message["content"] for message in answer.json()["messages"]] == ["still here"]


async def test_cancel_keeps_what_there_is(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        ack = await one.hear()
        await stage.puppet.began()
        stage.puppet.say("Part of")
        await one.hear_until("message.delta")
        for expected in ("cancelled", "idle"):
            await one.say({"type": "cancel", "session_id": stage.session, "reply_id": ack["reply_id"], "id": "x"})
            answer = (await one.hear_until("cancelled"))[-1]
            assert (answer["id"], answer["status"]) == ("x", expected)
    stored = (await history(stage.client, stage.session))[-1]
    assert (stored["message_id"], stored["status"], stored["content"]) == (ack["reply_id"], "cancelled", "Part of")


async def test_a_waiting_message_can_be_cancelled_before_its_turn(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("First")
        await one.send("Second")
        _, _, second = [await one.hear() for _ in range(3)]
        await stage.puppet.began()
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                path = f"/api/conversations/{stage.session}/cancel"
                answer = await stage.client.post(path, json={"reply_id": second["reply_id"]})
                assert answer.json() == {"status": "cancelled"}

            tasks.start_soon(cancel)
            while not stage.service.gb._services.turns._lines[BotSessionId(stage.session)][1].is_stopped:
                await anyio.lowlevel.checkpoint()
            stage.puppet.say("One")
            stage.puppet.end()
    stored = await history(stage.client, stage.session)
    assert [(one["content"], one["status"]) for one in stored[2:]] == [("One", "completed"), ("", "cancelled")]
    assert stage.puppet.asked == ["First"]


async def test_interrupt_stops_the_running_reply_first(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("First")
        await stage.puppet.began()
        stage.puppet.say("On and")
        await one.hear_until("message.delta")
        await one.send("Stop", id="i", if_busy="interrupt")
        await stage.puppet.began(2)
        await one.send("Stop", id="i", if_busy="interrupt")  # a repeat must not interrupt its own reply
        stage.puppet.say("Stopped")
        stage.puppet.end()
        await one.hear_until("message")
        await one.hear_until("message")
    stored = await history(stage.client, stage.session)
    assert [(one["content"], one["status"]) for one in stored] == [
        ("First", "completed"),
        ("On and", "cancelled"),
        ("Stop", "completed"),
        ("Stopped", "completed"),
    ]


async def test_reject_refuses_while_a_reply_is_written(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("First")
        await stage.puppet.began()
        await one.send("Second", if_busy="reject", id="r")
        refused = (await one.hear_until("error"))[-1]
        stage.puppet.end()
        await one.hear_until("message")
    assert (refused["id"], refused["error"]["code"]) == ("r", "CONFLICT")
    assert refused["error"]["details"] == {"reason": "busy", "retryable": True}


async def test_an_ended_session_is_told_and_followed_no_more(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.say("Cut")
        await one.hear_until("message.delta")
        assert (await stage.client.delete(f"/api/session/{stage.session}")).status_code == 200
        cut, updated = (await one.hear_until("session.updated"))[-2:]
        await one.send("More")
        refused = await one.hear()
    assert (cut["content"], cut["status"]) == ("Cut", "cancelled")
    assert updated == {
        "type": "session.updated",
        "session_id": stage.session,
        "status": "ended",
        "reason": "deleted",
        "seq": 3,
    }
    assert refused["error"]["code"] == "NOT_FOUND"
    assert len(await history(stage.client, stage.session)) == 2


async def test_somebody_elses_session_is_forbidden(stage: Stage) -> None:
    token = await stage.service.token("bob")
    async with talk(stage.service, token, stage.session) as one:
        for frame in (
            {"type": "message", "content": "x"},
            {"type": "subscribe"},
            {"type": "cancel"},
        ):
            await one.say({**frame, "session_id": stage.session, "id": "f"})
            answer = await one.hear()
            assert (answer["id"], answer["error"]["code"]) == ("f", "FORBIDDEN")
        await one.say({"type": "subscribe", "session_id": "unknown"})
        assert (await one.hear())["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"type":"nonsense"}',
        '{"content":"x"}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","session_id":"s","after_seq":-1}',
        '{"type":"subscribe","session_id":"s","after_seq":1.5}',
        '{"type":"message","session_id":7,"content":"x"}',
        '{"type":"message","session_id":"s","content":"x","if_busy":"maybe"}',
    ],
)
async def test_a_frame_that_is_none_is_answered_and_the_socket_goes_on(stage: Stage, text: str) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.socket.send_text(text)
        assert (await one.hear())["error"]["code"] == "INVALID_REQUEST"
        await one.say({"type": "ping", "unknown": True})
        assert await one.hear() == {"type": "pong"}


async def test_unsubscribing_ends_the_following(stage: Stage) -> None:
    async with (
        talk(stage.service, stage.token, stage.session) as one,
        talk(stage.service, stage.token, stage.session) as other,
    ):
        await other.subscribe()
        await other.say({"type": "unsubscribe", "session_id": stage.session, "id": "u"})
        assert await other.hear() == {"type": "unsubscribed", "session_id": stage.session, "id": "u"}
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.end()
        await one.hear_until("message")
        await other.say({"type": "ping"})
        assert await other.hear() == {"type": "pong"}


async def test_one_socket_follows_several_sessions(stage: Stage) -> None:
    second = await new_session(stage.client)
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.subscribe()
        elsewhere = Talk(one.socket, second)
        await elsewhere.send("Here", id="2")
        assert (await one.hear())["session_id"] == second
        await stage.puppet.began()
        stage.puppet.end()
        await one.hear_until("message")


async def test_the_token_can_come_as_a_subprotocol_and_is_not_echoed(stage: Stage) -> None:
    offered = ["gb.v1", f"gb.bearer.{stage.token}"]
    async with stage.service.socket(None, subprotocols=offered) as socket:
        assert json.loads(await socket.receive_text())["type"] == "hello"
        assert socket.subprotocol == "gb.v1"


async def test_auth_renews_a_login_of_the_same_user_only(stage: Stage) -> None:
    renewed, other = await stage.service.token("alice"), await stage.service.token("bob")
    async with talk(stage.service, stage.token, stage.session) as one:
        for wrong in (other, "gbs_" + "A" * 43, "nonsense"):
            await one.say({"type": "auth", "token": wrong, "id": "a"})
            answer = await one.hear()
            assert (answer["id"], answer["error"]["code"]) == ("a", "FORBIDDEN")
        await one.say({"type": "auth", "token": renewed})
        assert (await one.hear())["type"] == "hello"
        assert (await stage.client.post("/auth/logout")).status_code == 200
        await one.say({"type": "ping"})
        assert await one.hear() == {"type": "pong"}


async def test_a_silent_client_is_pinged_and_then_closed(stage: Stage) -> None:
    sockets = stage.service.gb._services.sockets
    async with talk(stage.service, stage.token, stage.session) as one:
        stage.service.clock.advance(25)
        await sockets.sweep()
        assert await one.hear() == {"type": "ping"}
        await one.say({"type": "pong"})
        await one.say({"type": "ping"})
        assert await one.hear() == {"type": "pong"}
        stage.service.clock.advance(25)
        await sockets.sweep()
        assert await one.hear() == {"type": "ping"}
        stage.service.clock.advance(10)
        await sockets.sweep()
        goodbye = await one.hear()
        assert (goodbye["code"], goodbye["reconnect"]) == (4408, True)
        with pytest.raises(WebSocketDisconnect) as caught:
            await one.hear()
    assert caught.value.code == 4408


async def test_the_end_of_the_login_is_told_a_minute_ahead(stage: Stage) -> None:
    sockets = stage.service.gb._services.sockets
    async with talk(stage.service, stage.token, stage.session) as one:
        stage.service.clock.advance(3_600 - 61)
        await sockets.sweep()
        assert await one.hear() == {"type": "ping"}
        stage.service.clock.advance(2)
        await sockets.sweep()
        await sockets.sweep()
        expiring = await one.hear()
        assert (expiring["type"], expiring["expires_at"]) == ("session.expiring", one.hello["session_expires_at"])
        await one.say({"type": "pong"})
        await one.say({"type": "nonsense"})  # answered after the pong was heard, and no use of the login
        assert (await one.hear())["type"] == "error"
        stage.service.clock.advance(60)
        await sockets.sweep()
        goodbye = (await one.hear_until("goodbye"))[-1]
    assert (goodbye["type"], goodbye["code"], goodbye["reconnect"]) == ("goodbye", 4401, False)


async def test_draining_says_goodbye(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.service.gb.drain)
        goodbye = await one.hear()
        with pytest.raises(WebSocketDisconnect) as caught:
            await one.hear()
    assert caught.value.code == 1012
    assert (goodbye["code"], goodbye["reason"], goodbye["reconnect"]) == (1012, "draining", True)
    assert 0 < goodbye["retry_after_ms"] <= 3_000


async def test_a_permission_that_is_lost_ends_the_following(storage: Storage) -> None:
    puppet = Puppet(access=BotAccess(groups=frozenset({"staff"})))
    async with running_service(bots=[puppet], storage=storage) as service, await service.bearer("admin") as admin:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await new_session(client)
            async with talk(service, token, session) as one:
                await one.subscribe()
                [staff] = (await admin.get("/api/groups/list?search=staff")).json()["groups"]
                alice = (await client.get("/api/users/me")).json()["id"]
                path = f"/api/groups/{staff['id']}/members/remove"
                assert (await admin.request("DELETE", path, json={"user_id": alice})).status_code == 200
                await service.gb._services.sockets.sweep()
                updated, goodbye = await one.hear(), await one.hear()
    assert (updated["type"], updated["reason"], updated["seq"]) == ("session.updated", "forbidden", 0)
    assert (goodbye["code"], goodbye["reconnect"]) == (4403, False)


async def test_a_session_that_expires_is_ended_for_all_who_follow_it(storage: Storage) -> None:
    async with running_service(bots=[Puppet()], storage=storage, settings={"bot_session_lifetime": 60}) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await new_session(client)
            async with talk(service, token, session) as one, talk(service, token, session) as other:
                for each in (one, other):
                    await each.subscribe()
                service.clock.advance(61)
                await service.gb._services.sockets.confirm()
                for each in (one, other):
                    updated = (await each.hear_until("session.updated"))[-1]
                    assert (updated["reason"], updated["seq"]) == ("expired", 1)


async def test_a_bot_that_is_silent_for_a_while_is_said_to_be_typing(stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr("generalbots_api.conversations.patience.TYPING_SECONDS", 0.01)
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        typing = (await one.hear_until("typing"))[-1]
        stage.puppet.say("Hi")
        await one.hear_until("message.delta")
        stage.puppet.end()
        rest = await one.hear_until("message")
    assert typing == {"type": "typing", "session_id": stage.session, "sender": "bot"}
    assert kinds(rest) == ["message"]
