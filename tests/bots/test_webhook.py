"""`WebhookBot`: what it posts and how it is signed, the answers it takes, and what becomes of the others."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from generalbots_api import BotInfo, Piece, Suggestions
from generalbots_api.backends.webhook import InvalidSignature, UpstreamError, WebhookBot, sign, verify
from generalbots_api.testing import ManualClock, ManualTurn, answer_of
from tests.bots.upstream import Asked, Given, Upstream, upstream
from tests.support.service import running_service
from tests.test_bots import ask, history, open_session

pytestmark = pytest.mark.anyio
INFO = BotInfo("hook", "Hook")
NDJSON = "application/x-ndjson"
NOW = 1_700_000_000


def bot_at(stub: Upstream, **options: Any) -> WebhookBot:
    return WebhookBot(**{"info": INFO, "url": f"{stub.url}/turn?x=1", "secrets": ["old", "new"], **options})


async def said(give: Given, turn: ManualTurn | None = None, **options: Any) -> list[Piece]:
    async with upstream(lambda _: give) as stub:
        return await answer_of(bot_at(stub, **options), turn or ManualTurn("Hello"))


async def test_what_is_posted_and_that_it_is_signed() -> None:
    clock = ManualClock()
    async with upstream(lambda _: Given(status=204)) as stub:
        turn = ManualTurn("And now?", before=["Hello", "Hi ✓"], memory={"n": 1})
        assert await answer_of(bot_at(stub, clock=clock), turn) == []
    asked = stub.asked[0]
    at = "2026-01-20T12:00:00Z"
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/turn?x=1", "application/json")
    assert asked.headers["idempotency-key"] == "r1"
    assert asked.json == {
        "reply_id": "r1",
        "session_id": "s1",
        "bot_id": "hook",
        "caller": {"user_id": "u1"},
        "message": {
            "message_id": "m3",
            "seq": 3,
            "sender": "user",
            "content": "And now?",
            "timestamp": at,
            "metadata": {},
        },
        "history": [
            {"message_id": "m1", "seq": 1, "sender": "user", "content": "Hello", "timestamp": at},
            {"message_id": "m2", "seq": 2, "sender": "bot", "content": "Hi ✓", "timestamp": at},
        ],
        "memory": {"n": 1},
    }
    for secret in ("old", "new"):
        verify(asked.headers, asked.body, secrets=[secret], now=clock.unix())
    stamp = asked.headers["x-generalbots-timestamp"]
    right = hmac.new(b"new", f"{stamp}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert f"v1={right}" in asked.headers["x-generalbots-signature"].split(",")


SIGNED = sign(b"body", secrets=["right"], at=NOW)


@pytest.mark.parametrize(
    ("headers", "body", "options"),
    [
        (SIGNED, b"body ", {}),
        (SIGNED, b"body", {"secrets": ["wrong"]}),
        (SIGNED, b"body", {"now": NOW + 301}),
        (SIGNED, b"body", {"now": NOW - 301}),
        (SIGNED, b"body", {"now": NOW + 11, "tolerance": 10}),
        ({**SIGNED, "x-generalbots-timestamp": str(NOW + 1)}, b"body", {}),
        ({**SIGNED, "x-generalbots-timestamp": "now"}, b"body", {}),
        ({**SIGNED, "x-generalbots-timestamp": "१२३"}, b"body", {}),
        ({**SIGNED, "x-generalbots-timestamp": "9" * 5_000}, b"body", {}),
        ({**SIGNED, "x-generalbots-timestamp": ""}, b"body", {}),
        ({**SIGNED, "x-generalbots-signature": ""}, b"body", {}),
        ({**SIGNED, "x-generalbots-signature": "v1="}, b"body", {}),
        ({**SIGNED, "x-generalbots-signature": "v1=é"}, b"body", {}),
        ({**SIGNED, "x-generalbots-signature": SIGNED["x-generalbots-signature"][3:]}, b"body", {}),
        ({**SIGNED, "x-generalbots-signature": "v0" + SIGNED["x-generalbots-signature"][2:]}, b"body", {}),
        ({}, b"body", {}),
    ],
)
def test_what_was_not_signed_so_is_refused(headers: dict[str, str], body: bytes, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature):
        verify(headers, body, **{"secrets": ["right"], "now": NOW, **options})


@pytest.mark.parametrize("now", [NOW - 300, NOW, NOW + 300])
def test_one_of_several_secrets_is_enough_and_names_of_headers_have_no_case(now: float) -> None:
    headers = {name.title(): value for name, value in SIGNED.items()}
    verify(headers, b"body", secrets=["other", b"right"], now=now)


@pytest.mark.parametrize("secrets", [[], [""], "right", b"right"])
def test_without_a_secret_nothing_is_signed_or_verified(secrets: Any) -> None:
    with pytest.raises(ValueError, match="secrets"):
        verify(SIGNED, b"body", secrets=secrets, now=NOW)
    with pytest.raises(ValueError, match="secrets"):
        WebhookBot(info=INFO, url="http://x/", secrets=secrets)


def lines(*parts: Any) -> bytes:
    return b"".join(json.dumps(part).encode() + b"\n" for part in parts)


def events(*parts: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts)


PARTS = ({"content": "Hel"}, {"content": "lo"}, {"suggestions": ["Yes"], "memory": {"n": 2}})
WHOLE = {"content": "Hello", "suggestions": ["Yes"], "memory": {"n": 2}}
FORMS = [
    pytest.param(Given([lines(*PARTS)], type=NDJSON), id="lines"),
    pytest.param(Given([lines(*PARTS)[:-1]], type="application/jsonl"), id="no end of the last line"),
    pytest.param(Given([lines({"content": "Hello"}), b"\n", lines(PARTS[2])], type=NDJSON), id="an empty line"),
    pytest.param(Given([events(*PARTS)]), id="events"),
    pytest.param(Given([b": hi\n\n", events(WHOLE)], type="text/event-stream; charset=utf-8"), id="one event"),
    pytest.param(Given([json.dumps(WHOLE).encode()], type="application/json"), id="whole"),
]


@pytest.mark.parametrize("give", FORMS)
async def test_each_form_of_an_answer_gives_text_suggestions_and_memory(give: Given) -> None:
    turn = ManualTurn("Hello", memory={"old": True})
    pieces = await said(give, turn)
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "Hello"
    assert [piece for piece in pieces if isinstance(piece, Suggestions)] == [Suggestions(("Yes",))]
    assert turn.memory == {"n": 2}


async def test_plain_text_is_text_wherever_it_is_cut() -> None:
    text = "Grüße ✓".encode()
    give = Given([text[at : at + 1] for at in range(len(text))], type="text/plain; charset=utf-8")
    assert "".join(map(str, await said(give))) == "Grüße ✓"


SECRET = "a secret of the webhook"


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (Given([SECRET.encode()], status=500), "the webhook answers 500"),
        (Given(status=308, headers={"location": "/elsewhere"}), "the webhook answers 308"),
        (Given([SECRET.encode()], status=201), "the webhook answers 201"),
        (Given([b"<p>"], type="text/html"), "the webhook answers in a form that is none of those agreed on"),
        (Given([b"\xff"], type="text/plain"), "the webhook's text is not UTF-8"),
        (Given(["✓".encode()[:2]], type="text/plain"), "the webhook's text is not UTF-8"),
        (Given([b"{secret\n"], type=NDJSON), "the webhook's answer makes no sense"),
        (Given([b'{"suggestions": 1}\n'], type=NDJSON), "the webhook's answer makes no sense"),
        (Given([b'{"memory": []}\n'], type=NDJSON), "the webhook's answer makes no sense"),
        (Given([], type="application/json"), "the webhook's answer makes no sense"),
        (Given([lines({"error": SECRET})], type=NDJSON), "the webhook tells of an error"),
        (Given([b"so far"], type="text/plain", is_cut=True), "the answer broke off: RemoteProtocolError"),
        (Given([b"x" * 600], type=NDJSON), "a line of the answer is over 500 bytes"),
        (Given([b"x" * 600] * 4, type="text/plain"), "the answer is over 2000 bytes"),
    ],
)
async def test_what_is_no_answer_raises_and_says_nothing_that_came_with_it(give: Given, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await said(give, max_line_bytes=500, max_answer_bytes=2_000)
    assert str(caught.value) == message


async def for_ever(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("chunks", "options"),
    [([], {"first_timeout": 0.05}), ([b"x"], {"between_timeout": 0.05}), ([b"x"], {"total_timeout": 0.05})],
)
async def test_a_piece_that_does_not_come_in_time_ends_the_turn(chunks: list[bytes], options: Any) -> None:
    async with upstream(lambda _: Given(for_ever(*chunks), type="text/plain")) as stub:
        with pytest.raises(TimeoutError):
            await answer_of(bot_at(stub, **options), ManualTurn("Hello"))
        await asyncio.wait_for(stub.gone.wait(), 10)


async def test_cancelling_the_turn_closes_the_connection_at_once() -> None:
    async with upstream(lambda _: Given(for_ever(b"so far"), type="text/plain")) as stub:
        turn = asyncio.create_task(answer_of(bot_at(stub), ManualTurn("Hello")))
        with anyio.fail_after(10):
            while not stub.asked:
                await anyio.lowlevel.checkpoint()
            turn.cancel()
            await stub.gone.wait()
            with pytest.raises(asyncio.CancelledError):
                await turn


async def test_a_conversation_with_a_webhook_keeps_its_memory_and_repeats_no_id() -> None:
    def give(asked: Asked) -> Given:
        count = asked.json["memory"].get("n", 0) + 1
        return Given([lines({"content": f"number {count}", "memory": {"n": count}})], type=NDJSON)

    async with upstream(give) as stub, running_service(bots=[bot_at(stub)]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "hook")
            assert (await ask(service, token, session))["content"] == "number 1"
            assert (await ask(service, token, session))["content"] == "number 2"
            replies = [one["message_id"] for one in await history(client, session) if one["sender"] == "bot"]
        assert [asked.headers["idempotency-key"] for asked in stub.asked] == replies
        assert stub.connections == 1


async def test_a_connection_that_was_closed_while_idle_is_made_again() -> None:
    async with upstream(lambda _: Given([b"Hello"], type="text/plain")) as stub, bot_at(stub) as bot:
        assert await answer_of(bot, ManualTurn("Hello")) == ["Hello"]
        await stub.close_connections()
        assert await answer_of(bot, ManualTurn("Hello")) == ["Hello"]
    assert stub.connections == 2
