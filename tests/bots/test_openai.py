"""`OpenAIBot`: what it asks, the streams it understands, and what becomes of those that are none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from generalbots_api import BotInfo, BotStatus
from generalbots_api.backends.openai import OpenAIBot, UpstreamError
from generalbots_api.testing import ManualTurn, answer_of
from tests.bots.upstream import Asked, Given, Upstream, upstream
from tests.support.service import running_service
from tests.test_bots import ask, history, open_session

pytestmark = pytest.mark.anyio
INFO = BotInfo("model", "Model")
DONE = b"data: [DONE]\n\n"


def data(*parts: Any, end: str = "\n") -> bytes:
    return b"".join(f"data: {json.dumps(part, ensure_ascii=False)}{end}{end}".encode() for part in parts)


def delta(text: str | None, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, **more}],
    }


ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"total_tokens": 7}}
THOUGHT = {"choices": [{"delta": {"reasoning_content": "hm"}}]}
HELLO = data(ROLE, delta("Hel"), delta("lo ✓"), STOP, USAGE) + DONE


def bot_at(stub: Upstream, **options: Any) -> OpenAIBot:
    return OpenAIBot(info=INFO, base_url=f"{stub.url}/v1", model="m", **options)


async def said(give: Given, content: str = "Hello", **options: Any) -> str:
    async with upstream(lambda _: give) as stub:
        return "".join(str(piece) for piece in await answer_of(bot_at(stub, **options), ManualTurn(content)))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([HELLO], id="at once"),
        pytest.param([HELLO[at : at + 1] for at in range(len(HELLO))], id="byte by byte, through UTF-8"),
        pytest.param([HELLO.replace(b"\n", b"\r\n")], id="CRLF"),
        pytest.param([HELLO.replace(b"\n", b"\r\n")[at : at + 1] for at in range(len(HELLO) + 12)], id="CRLF, cut"),
        pytest.param([HELLO.replace(b"\n", b"\r")], id="CR"),
        pytest.param([b"\xef\xbb\xbf" + HELLO], id="a byte order mark"),
        pytest.param([b": hi\n\n", data(delta("Hel")), b": ping\n\n", data(delta("lo ✓")), DONE], id="comments"),
        pytest.param([b"event: x\nid: 1\nretry: 5\n" + HELLO], id="other fields"),
        pytest.param([HELLO.replace(b"data: ", b"data:")], id="no space"),
        pytest.param([data(delta("Hel"), delta("lo ✓"), STOP)], id="no DONE, but a reason"),
        pytest.param([data(delta("Hel"), delta("lo ✓", finish_reason="length"))[:-2]], id="no empty line at the end"),
        pytest.param([data(delta(None), {"choices": None}, {}, delta("Hello ✓")), DONE], id="nulls and nothing"),
        pytest.param([data(delta("Hello ✓")), DONE, data(delta("more"))], id="after the end"),
        pytest.param([data(THOUGHT, delta("Hello ✓")), DONE], id="reasoning"),
        pytest.param([data({"choices": [{"index": 1, "delta": {"content": "no"}}]}), HELLO], id="choices"),
        pytest.param([data({**delta("Hello ✓"), "error": None}), DONE], id="an error that is null"),
    ],
)
async def test_every_way_of_streaming_gives_the_text(chunks: list[bytes]) -> None:
    assert await said(Given(chunks)) == "Hello ✓"


async def test_a_server_that_does_not_stream_is_understood() -> None:
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}).encode()
    assert await said(Given([body], type="application/json; charset=utf-8")) == "Hello"


SECRET = "a secret of the server"
BROKE_OFF = "the server broke off with an error"
NO_CHUNK = "the answer is not a chat completion"
PACKED = "the answer is compressed, though that was not asked for"
CUT = "the answer ended before its end"


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (Given([SECRET.encode()], status=500, type="application/json"), "the server answers 500"),
        (Given([SECRET.encode()], status=401, type="application/json"), "the server answers 401"),
        (Given(status=307, headers={"location": "/v1/elsewhere"}), "the server answers 307"),
        (
            Given([data(delta("Hel"), {"error": {"message": SECRET, "code": 500}})]),
            BROKE_OFF,
        ),
        (Given([b'event: error\ndata: {"error": "a secret of the server"}\n\n']), BROKE_OFF),
        (Given([data({"object": "error", "message": SECRET}), DONE]), BROKE_OFF),
        (Given([b"error: a secret of the server\n\n"]), CUT),  # of llama.cpp, before it sent data
        (Given([data(delta("Hel"))]), CUT),
        (Given(), CUT),
        (Given([data(delta("Hel"))], is_cut=True), "the answer broke off: RemoteProtocolError"),
        (Given([b"data: {secret\n\n"]), NO_CHUNK),
        (Given([b"data: [1]\n\n"]), NO_CHUNK),
        (Given([b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n']), NO_CHUNK),
        (Given([b"{}"], type="application/json"), "the answer has no choices"),
        (
            Given([HELLO], headers={"content-encoding": "gzip"}),
            "the answer is compressed, though that was not asked for",
        ),
        (Given([b"data: " + b"x" * 600]), "a line of the answer is over 500 bytes"),
        (Given([b"data: xxxxxxxxx\n"] * 60), "an event of the answer is over 500 bytes"),
        (Given([data(delta("x"))] * 100), "the answer is over 2000 bytes"),
    ],
)
async def test_what_is_no_answer_raises_and_says_nothing_that_came_with_it(give: Given, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await said(give, max_line_bytes=500, max_answer_bytes=2_000)
    assert str(caught.value) == message


async def test_a_server_that_is_not_there_raises() -> None:
    bot = OpenAIBot(info=INFO, base_url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(UpstreamError, match="no answer: ConnectError"):
        await answer_of(bot, ManualTurn("Hello"))


async def for_ever(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    await anyio.sleep_forever()


async def keep_alives() -> AsyncIterator[bytes]:
    yield data(ROLE)
    while True:
        yield b": keep-alive\n\n"
        await anyio.sleep(0.01)


async def drips() -> AsyncIterator[bytes]:
    while True:
        yield data(delta("x"))
        await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("chunks", "options"),
    [
        (for_ever, {"first_timeout": 0.05}),
        (lambda: for_ever(data(delta("Hel"))), {"between_timeout": 0.05}),
        (keep_alives, {"between_timeout": 0.05}),
        (drips, {"total_timeout": 0.05}),
    ],
)
async def test_a_piece_that_does_not_come_in_time_ends_the_turn_and_the_stream(chunks: Any, options: Any) -> None:
    async with upstream(lambda _: Given(chunks())) as stub:
        with pytest.raises(TimeoutError):
            await answer_of(bot_at(stub, **options), ManualTurn("Hello"))
        await asyncio.wait_for(stub.gone.wait(), 10)


async def test_cancelling_the_turn_closes_the_stream_at_once() -> None:
    async with upstream(lambda _: Given(for_ever(data(delta("Hel"))))) as stub, bot_at(stub) as bot:
        turn = asyncio.create_task(answer_of(bot, ManualTurn("Hello")))
        with anyio.fail_after(10):
            while not stub.asked:
                await anyio.lowlevel.checkpoint()
            turn.cancel()
            await stub.gone.wait()
            with pytest.raises(asyncio.CancelledError):
                await turn


async def test_what_is_asked() -> None:
    async with upstream(lambda _: Given([HELLO])) as stub:
        bot = bot_at(
            stub,
            api_key="sk-1",
            system_prompt="Be brief.",
            temperature=0.5,
            max_tokens=100,
            extra={"top_p": 0.9, "stream_options": {"include_usage": True}},
        )
        await answer_of(bot, ManualTurn("And now?", before=["Hello", "Hi!"]))
    asked = stub.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == "Bearer sk-1"
    assert asked.json == {
        "model": "m",
        "stream": True,
        "temperature": 0.5,
        "max_tokens": 100,
        "top_p": 0.9,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "And now?"},
        ],
    }


@pytest.mark.parametrize(
    ("bounds", "before", "sent"),
    [
        ({"history_messages": 2}, ["a", "b", "c", "d"], ["c", "d"]),
        ({"history_messages": 0}, ["a", "b"], []),
        ({"history_chars": 3}, ["aa", "b", "cc", "d"], ["cc", "d"]),
        ({"history_chars": 0}, ["a", "b"], []),
        ({"history_messages": 3}, ["a", "b", "c", "d"], ["c", "d"]),  # not begun with the bot's own words
        ({}, ["a", " ", "c", "d"], ["a\n\nc", "d"]),  # a reply without text: two of the user become one
    ],
)
async def test_the_newest_messages_are_sent_and_the_system_prompt_always(
    bounds: dict[str, Any], before: list[str], sent: list[str]
) -> None:
    async with upstream(lambda _: Given([HELLO])) as stub:
        await answer_of(bot_at(stub, system_prompt="S", **bounds), ManualTurn("now", before=before))
    messages = stub.asked[0].json["messages"]
    assert [message["content"] for message in messages] == ["S", *sent, "now"]


async def test_connections_are_kept_while_the_service_is_open_and_closed_with_it() -> None:
    async with upstream(lambda _: Given([HELLO])) as stub:
        async with running_service(bots=[bot_at(stub)]) as service:
            token = await service.token("alice")
            async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
                session = await open_session(service, client, "model")
                for _ in range(3):
                    assert (await ask(service, token, session))["content"] == "Hello ✓"
            assert (stub.connections, stub.open) == (1, 1)
        with anyio.fail_after(10):
            while stub.open:
                await anyio.lowlevel.checkpoint()
    assert [len(asked.json["messages"]) for asked in stub.asked if asked.method == "POST"] == [1, 3, 5]


async def test_a_bot_in_two_services_works_until_the_last_one_closes() -> None:
    async with upstream(lambda _: Given([HELLO])) as stub:
        bot = bot_at(stub)
        async with bot:
            async with bot:
                await answer_of(bot, ManualTurn("Hello"))
            await answer_of(bot, ManualTurn("Hello"))
            assert stub.connections == 1
        await answer_of(bot, ManualTurn("Hello"))  # in none: on a connection of its own
        assert stub.connections == 2


@pytest.mark.parametrize(
    "broken",
    [
        Given([data(delta("so far"), {"error": {"message": SECRET}})]),
        Given([SECRET.encode()], status=500),
        Given(raw=f"{SECRET}\r\n\r\n".encode()),
        Given(raw=f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode()),
    ],
)
async def test_a_failed_reply_tells_neither_key_nor_upstream(caplog: pytest.LogCaptureFixture, broken: Given) -> None:
    def give(asked: Asked) -> Given:
        return Given([b"{}"], type="application/json") if asked.method == "GET" else broken

    async with upstream(give) as stub:
        bot = bot_at(stub, api_key="sk-very-secret")
        async with running_service(bots=[bot]) as service:
            token = await service.token("alice")
            async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
                session = await open_session(service, client, "model")
                with caplog.at_level(logging.DEBUG):
                    failed = await ask(service, token, session)
                stored = (await history(client, session))[1]
    assert failed["error"]["details"] == {"reason": "failed"}
    assert stored["status"] == "failed"
    ours = [record for record in caplog.records if record.name.startswith("generalbots_api")]
    told = [f"{vars(record)} {logging.Formatter().format(record)}" for record in ours]
    shown = f"{failed} {stored} {told} {bot!r}"
    assert "UpstreamError" in shown
    assert SECRET not in shown
    assert "sk-very-secret" not in shown


@pytest.mark.parametrize(
    ("status", "health"), [(200, BotStatus.ONLINE), (401, BotStatus.OFFLINE), (503, BotStatus.OFFLINE)]
)
async def test_health_is_whether_the_models_are_listed(status: int, health: BotStatus) -> None:
    async with upstream(lambda _: Given([b"{}"], status=status, type="application/json")) as stub:
        assert await bot_at(stub, api_key="sk-1").health() is BotStatus(health)
    assert (stub.asked[0].path, stub.asked[0].headers["authorization"]) == ("/v1/models", "Bearer sk-1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "nonsense"}, "base_url"),
        ({"base_url": "http://u:p@x"}, "base_url"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"extra": {"stream": False}}, "extra"),
        ({"first_timeout": 0}, "first_timeout"),
        ({"history_messages": 1_001}, "history_messages"),
        ({"max_line_bytes": 0}, "max_line_bytes"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        OpenAIBot(**{"info": INFO, "base_url": "http://x/v1", "model": "m", **options})
