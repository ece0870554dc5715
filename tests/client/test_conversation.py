"""A live conversation over real sockets: each message once, in order, whatever is cut; and what ends it."""

from __future__ import annotations

import asyncio

import pytest

from generalbots_api.client import (
    BadAnswer,
    Client,
    ClientError,
    ConnectionChanged,
    ConnectionFailed,
    ConversationClosed,
    ConversationOver,
    Forbidden,
    Gap,
    InvalidRequest,
    LoginExpiring,
    NewMessage,
    NotFound,
    PayloadTooLarge,
    ReplyDelta,
    ReplyStarted,
    SessionUpdated,
    Unauthorized,
)
from tests.client.model_server import SESSION
from tests.client.socket_server import SocketServer, messages, refusal, socket_server

pytestmark = pytest.mark.anyio


async def test_a_turn_is_the_message_the_pieces_and_the_whole_reply() -> None:
    async with socket_server() as server, server.chat() as chat:
        sent = await chat.send("Hello", metadata={"n": 1})
        assert (sent.seq, sent.duplicate) == (1, False)
        events = [await anext(chat) for _ in range(5)]
    mine, reply = server.model.log
    assert events[0] == ConnectionChanged(connected=True)
    assert isinstance(events[1], NewMessage)
    assert (events[1].mine, events[1].message.content, events[1].message.metadata) == (True, "Hello", {"n": 1})
    assert events[2] == ReplyStarted(sent.reply_id or "", mine["message_id"], "b")
    assert events[3] == ReplyDelta(reply["message_id"], 2, "You said Hello.")
    assert isinstance(events[4], NewMessage)
    assert (events[4].mine, events[4].message.content) == (False, "You said Hello.")
    assert server.tokens == ["Bearer gbs_first"]


async def test_from_the_start_live_only_or_from_a_place() -> None:
    async with socket_server(echoes=False) as server:
        for number in range(3):
            server.model.store("user", str(number))
        async with server.chat(0) as chat:
            assert await messages(chat, 3) == ["0", "1", "2"]
            assert (chat.seq, chat.epoch) == (3, "e0")
        async with server.chat(2) as chat:
            assert await messages(chat, 1) == ["2"]
        async with server.chat(None) as chat:
            await chat.send("new")
            assert await messages(chat, 1) == ["new"]


async def test_a_long_absence_is_read_from_the_history() -> None:
    async with socket_server(echoes=False) as server:
        for number in range(250):
            server.model.store("user", str(number))
        async with server.chat(0) as chat:
            assert await messages(chat, 250) == [str(number) for number in range(250)]
    assert len(server.rest) == 3


async def test_a_cut_in_a_reply_is_made_up_for() -> None:
    async with socket_server(echoes=False) as server, server.chat() as chat:
        await chat.send("Hello")
        server.model.start()
        server.model.piece("one ")
        await server.flush()
        while not isinstance(await anext(chat), ReplyDelta):
            pass
        server.cut()
        server.model.piece("two ")
        await server.opened.wait()
        server.model.piece("three")
        await server.flush()
        server.model.finish()
        await server.flush()
        assert await messages(chat, 1) == ["one two three"]


async def test_an_unanswered_send_is_sent_again_with_its_id_and_stored_once() -> None:
    async with socket_server(echoes=False, deaf=True) as server, server.chat() as chat:
        sending = asyncio.create_task(chat.send("Hello"))
        await server.until_received("message")
        server.model.store("user", "Hello", id=server.received[-1]["id"])  # stored, and the answer was lost
        server.deaf = False
        server.cut()
        sent = await sending
        assert sent.seq == 1
        assert await messages(chat, 1) == ["Hello"]
    assert len(server.model.log) == 1


async def test_many_sends_at_once_are_stored_once_in_their_order() -> None:
    hello = {"limits": {"frames_per_second": 1000}}
    async with socket_server(echoes=False, hello=hello) as server, server.chat() as chat:
        sends = [asyncio.create_task(chat.send(str(number))) for number in range(50)]
        await server.until(lambda: server.model.seq >= 20)
        server.cut()
        answers = await asyncio.gather(*sends)
        assert await messages(chat, 50) == [str(number) for number in range(50)]
    assert [answer.seq for answer in answers] == list(range(1, 51))


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 1013, 4408, 4429, 4450])
async def test_after_these_codes_it_comes_back(code: int) -> None:
    async with socket_server() as server, server.chat() as chat:
        await chat.send("Hello")
        if code == 1006:
            server.cut()
        else:
            await server.close(code)
        assert (await chat.send("again")).seq == 3
        assert await messages(chat, 4) == ["Hello", "You said Hello.", "again", "You said again."]
    assert len(server.tokens) == 2
    assert 0 <= server.waits[0] <= (5.5 if code == 4429 else 0.5)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1003, ConversationClosed),
        (1009, PayloadTooLarge),
        (4400, ConversationClosed),
        (4401, Unauthorized),
        (4403, Forbidden),
        (4409, ConversationClosed),
    ],
)
async def test_after_these_codes_it_gives_up(code: int, kind: type[ClientError]) -> None:
    async with socket_server(deaf=True) as server, server.chat() as chat:
        sending = asyncio.create_task(chat.send("Hello"))
        await server.opened.wait()
        await server.close(code, "why")
        with pytest.raises(kind, match="why"):
            await messages(chat, 1)
        with pytest.raises(kind):
            await sending
        with pytest.raises(kind):
            await chat.send("more")
    assert len(server.tokens) == 1


async def test_an_ended_login_is_renewed() -> None:
    async def log_in() -> str:
        return "gbs_second"

    async with socket_server() as server, server.chat(log_in=log_in) as chat:
        await server.close(4401)
        await chat.send("Hello")
        assert await messages(chat, 2) == ["Hello", "You said Hello."]
    assert server.tokens == ["Bearer gbs_first", "Bearer gbs_second"]


async def test_a_login_that_is_ended_again_at_once_is_not_renewed_for_ever() -> None:
    async def log_in() -> str:
        return "gbs_next"

    async with socket_server(refusals=[refusal(401, "UNAUTHORIZED"), refusal(401, "UNAUTHORIZED")]) as server:
        with pytest.raises(Unauthorized):
            async with server.chat(log_in=log_in):
                pass
    assert len(server.tokens) == 2


async def test_what_the_hook_raises_reaches_reader_and_sender() -> None:
    async def log_in() -> str:
        raise PermissionError("no more")

    async with socket_server(deaf=True) as server, server.chat(log_in=log_in) as chat:
        sending = asyncio.create_task(chat.send("Hello"))
        await server.opened.wait()
        await server.close(4401)
        for waiting in (messages(chat, 1), sending, chat.send("more")):
            with pytest.raises(PermissionError, match="no more"):
                await waiting


async def test_an_expiring_login_is_renewed_on_the_open_socket() -> None:
    async def log_in() -> str:
        return "gbs_second"

    async with socket_server() as server, server.chat(log_in=log_in) as chat:
        next(iter(server.model.sockets)).send("session.expiring", expires_at="2026-01-20T12:01:00Z")
        await server.flush()
        while not isinstance(await anext(chat), LoginExpiring):
            pass
        await chat.send("Hello")
        await server.until_received("auth")
    assert {"type": "auth", "token": "gbs_second"} in server.received
    assert len(server.tokens) == 1


async def test_goodbye_says_when_to_come_back() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.sockets[0].send("goodbye", code=1012, reason="draining", reconnect=True, retry_after_ms=7000)
        await server.flush()
        await server.close(1012)
        await chat.send("Hello")
    assert 7 <= server.waits[0] <= 7.5


async def test_goodbye_for_good_is_for_good() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.sockets[0].send("goodbye", code=1001, reason="closing down", reconnect=False)
        await server.flush()
        await server.close(1001)
        with pytest.raises(ConversationClosed):
            await messages(chat, 1)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(403, "FORBIDDEN", Forbidden), (404, "NOT_FOUND", NotFound), (302, "", BadAnswer), (200, "", BadAnswer)],
)
async def test_a_refused_handshake_is_raised_on_entering(status: int, code: str, kind: type[ClientError]) -> None:
    async with socket_server(refusals=[refusal(status, code)]) as server:
        with pytest.raises(kind):
            async with server.chat():
                pass
    assert len(server.tokens) == 1


async def test_a_redirect_does_not_take_the_token_elsewhere() -> None:
    async with socket_server() as elsewhere:
        answer = refusal(307, Location=f"ws://127.0.0.1:{elsewhere.port}/ws")
        async with socket_server(refusals=[answer]) as server:
            with pytest.raises(BadAnswer):
                async with server.chat():
                    pass
    assert elsewhere.tokens == []


async def test_a_server_that_is_full_is_waited_for_as_it_says() -> None:
    refusals = [refusal(429, "RATE_LIMITED", Retry_After="3"), refusal(503, "SERVER_ERROR", Retry_After="9")]
    async with socket_server(refusals=refusals) as server, server.chat() as chat:
        assert chat.connected
    assert 3 <= server.waits[0] <= 3.5
    assert 9 <= server.waits[1] <= 10


async def test_a_server_that_is_away_is_tried_until_the_time_is_up() -> None:
    async with socket_server() as server:
        pass
    with pytest.raises(ConnectionFailed, match="in time"):
        async with server.chat(open_timeout=0.05):
            pass
    assert server.waits


async def test_a_frame_that_is_none_is_a_bad_answer() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.sockets[0].frames.append(["no frame"])  # type: ignore[arg-type] # that is the point
        await server.flush()
        with pytest.raises(BadAnswer):
            await messages(chat, 1)


async def test_a_frame_without_measure_is_a_bad_answer() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.sockets[0].send("typing", content="x" * 2**23)
        await server.flush()
        with pytest.raises(BadAnswer, match="over"):
            await messages(chat, 1)


async def test_frames_of_tomorrow_and_of_other_sessions_are_left_alone() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.sockets[0].send("reaction", emoji="+1")
        server.model.sockets[0].send("message.delta", session_id="other", reply_id="x", index=0, content="y")
        await chat.send("Hello")
        assert await messages(chat, 2) == ["Hello", "You said Hello."]


async def test_silence_is_asked_about_and_then_taken_for_a_cut() -> None:
    hello = {"heartbeat_ms": 30, "pong_timeout_ms": 30}
    async with socket_server(deaf=True, hello=hello) as server, server.chat() as chat:
        while len(server.tokens) < 2:
            await anext(chat)
    assert {"type": "ping"} in server.received


async def test_a_ping_is_answered() -> None:
    async with socket_server() as server, server.chat():
        server.model.sockets[0].send("ping")
        await server.flush()
        await server.until_received("pong")


async def test_a_send_without_an_answer_makes_a_new_connection() -> None:
    async with socket_server(deaf=True) as server, server.chat(ack_timeout=0.05) as chat:
        sending = asyncio.create_task(chat.send("Hello"))
        while len(server.tokens) < 2:
            await anext(chat)
        server.deaf = False
        await sending
    assert len(server.model.log) == 2


async def test_a_slow_reader_loses_nothing_and_holds_little() -> None:
    async with socket_server(echoes=False) as server, server.chat(max_events=4) as chat:
        for number in range(300):
            server.model.store("user", str(number))
            server.model.unanswered.clear()
        await server.flush()
        await chat.send("last")
        assert len(chat._machine.log.inbox) <= 5
        assert await messages(chat, 301) == [*(str(number) for number in range(300)), "last"]
    assert len(server.rest) < 200  # in pages, not one by one


async def test_a_message_that_never_came_is_read_from_the_history() -> None:
    async with socket_server(echoes=False) as server, server.chat() as chat:
        server.model.lose_next = True
        server.model.store("user", "lost")
        server.model.store("user", "found")
        await server.flush()
        assert await messages(chat, 2) == ["lost", "found"]


async def test_a_log_that_was_replaced_is_told_and_read_from_its_start() -> None:
    async with socket_server() as server, server.chat() as chat:
        await chat.send("Hello")
        assert len(await messages(chat, 2)) == 2
        server.model.replace()
        server.model.store("user", "a new beginning")
        server.cut()
        while not isinstance(await anext(chat), Gap):
            pass
        assert await messages(chat, 1) == ["a new beginning"]


async def test_the_end_of_the_session_ends_the_iteration_and_the_sending() -> None:
    async with socket_server() as server, server.chat() as chat:
        await chat.send("Hello")
        server.model.end()
        await server.flush()
        events = [event async for event in chat]
        assert events[-1] == SessionUpdated("ended")
        assert len([event for event in events if isinstance(event, NewMessage)]) == 2
        with pytest.raises(ConversationOver):
            await chat.send("more")


async def test_an_end_that_was_missed_is_found_out_with_all_that_was_before_it() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.store("user", "the last word")
        server.model.end()
        server.cut()
        assert [event.message.content async for event in chat if isinstance(event, NewMessage)] == ["the last word"]


async def test_a_send_whose_answer_was_lost_with_the_session_is_found_in_the_history() -> None:
    async with socket_server(echoes=False, deaf=True) as server, server.chat() as chat:
        sending = asyncio.create_task(chat.send("Hello"))
        await server.until_received("message")
        server.model.store("user", "Hello", id=server.received[-1]["id"])
        server.model.end()
        server.cut()
        assert (await sending).duplicate
        with pytest.raises(ConversationOver):
            await chat.send("more")


async def test_a_running_reply_is_cancelled_and_the_wish_survives_a_cut() -> None:
    async with socket_server(echoes=False) as server, server.chat() as chat:
        sent = await chat.send("Hello")
        server.model.start()
        server.model.piece("one")
        await server.flush()
        while not isinstance(await anext(chat), ReplyDelta):
            pass
        server.deaf = True
        await chat.cancel()
        await server.until_received("cancel")
        server.deaf = False
        server.cut()
        assert await messages(chat, 1) == ["one"]
    assert [frame for frame in server.received if frame["type"] == "cancel"] == 2 * [
        {"type": "cancel", "session_id": SESSION, "reply_id": sent.reply_id}
    ]


async def test_what_the_server_would_not_take_is_not_sent() -> None:
    async with socket_server() as server, server.chat() as chat:
        for content, kind in (("", InvalidRequest), ("x" * 32_001, InvalidRequest), ("😀" * 30_000, PayloadTooLarge)):
            with pytest.raises(kind):
                await chat.send(content)
        assert (await chat.send("Hello")).seq == 1


async def test_a_message_that_is_put_off_is_sent_again() -> None:
    async with socket_server() as server, server.chat() as chat:
        server.model.put_off_next = True
        await chat.send("Hello")
    assert len([frame for frame in server.received if frame["type"] == "message"]) == 2


async def test_leaving_ends_what_waits() -> None:
    async with socket_server(deaf=True) as server:
        async with server.chat() as chat:
            sending = asyncio.create_task(chat.send("Hello"))
            reading = asyncio.create_task(messages(chat, 1))
            await asyncio.sleep(0)
        with pytest.raises(ConversationOver):
            await sending
        with pytest.raises(StopAsyncIteration):
            await anext(chat)
        with pytest.raises((RuntimeError, StopAsyncIteration)):
            await reading


async def test_what_the_body_raises_comes_out_as_it_is() -> None:
    async with socket_server() as server:
        with pytest.raises(ZeroDivisionError):
            async with server.chat():
                raise ZeroDivisionError


async def test_a_server_of_another_kind_is_a_bad_answer() -> None:
    server = SocketServer()

    async def open_socket(url: str, token: str | None) -> None:
        raise BadAnswer(f"{url} {token}")

    client = Client("https://api.test/bots", token="gbs_x", connect=open_socket)  # type: ignore[arg-type] # never opens
    async with client:
        with pytest.raises(BadAnswer, match=r"wss://api\.test/bots/ws gbs_x"):
            async with client.conversation(SESSION):
                pass
    assert server.tokens == []
