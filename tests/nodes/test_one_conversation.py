"""One conversation over two nodes: one order, one running reply, and every door of both shows the same."""

from __future__ import annotations

from functools import partial

import pytest

from generalbots_api.backends.redis import RedisBus
from generalbots_api.ids import BotSessionId
from generalbots_api.testing.contract import at_once
from tests.backends.redis.proxy import told, until
from tests.nodes.screen import Screen
from tests.nodes.stage import Alice, Node, Shared, together
from tests.support.events import listening
from tests.support.puppet import Frame, Puppet, history, talk

pytestmark = pytest.mark.anyio


async def finished(alice: Alice, count: int) -> list[Frame]:
    """The log, as soon as it has so many messages."""
    return await told(partial(history, alice.a, alice.session, limit=100), lambda messages: len(messages) >= count)


def bearer(alice: Alice) -> dict[str, str]:
    return {"Authorization": f"Bearer {alice.token}"}


async def test_a_turn_on_a_shows_on_the_socket_and_the_stream_of_b(shared: Shared) -> None:
    async with (
        together(shared) as (a, b, alice),
        talk(b.service, alice.token, alice.session) as on_b,
        listening(b.service.app, "GET", f"/api/conversations/{alice.session}/events", bearer(alice)) as stream,
    ):

        async def hear_event() -> Frame:
            frame: Frame = (await stream.hear())["data"]
            return frame

        await on_b.subscribe()
        await heard_by(b)
        screens = [Screen.of(on_b), Screen(hear_event)]
        await alice.post(alice.a, "Hello")
        await a.puppet.began()
        for piece, text in (("Hi ", "Hi "), ("there", "Hi there")):
            a.puppet.say(piece)
            for screen in screens:
                await screen.shows(text)
        a.puppet.end()
        shown = [[message["content"] for message in await screen.has(2)] for screen in screens]
    assert shown == [["Hello", "Hi there"]] * 2
    assert b.puppet.asked == []


async def test_b_joins_in_the_middle_of_a_reply_that_runs_on_a(shared: Shared) -> None:
    """A snapshot, then what comes, and the whole text once."""
    async with together(shared) as (a, b, alice):
        reply_id = (await alice.post(alice.a, "Hello")).json()["reply_id"]
        await a.puppet.began()
        a.puppet.say("one ", "two ")
        await at_piece(a, alice.session, 1)
        async with talk(b.service, alice.token, alice.session) as on_b:
            joined = await on_b.subscribe(after_seq=0)
            assert joined["running"] == {"reply_id": reply_id, "index": 1}
            screen = Screen.of(on_b)
            await screen.shows("one two ")
            a.puppet.say("three")
            await screen.shows("one two three")
            a.puppet.end()
            messages = await screen.has(2)
    assert [(message["seq"], message["content"]) for message in messages] == [(1, "Hello"), (2, "one two three")]


async def test_who_was_on_a_goes_on_at_b_with_the_pieces_that_are_missing(shared: Shared) -> None:
    async with together(shared) as (a, b, alice):
        async with talk(a.service, alice.token, alice.session) as on_a:
            await on_a.send("Hello", id="c-1")
            ack = (await on_a.hear_until("ack"))[-1]
            await a.puppet.began()
            a.puppet.say("one ")
            await Screen.of(on_a).shows("one ")
        a.puppet.say("two ")
        await at_piece(a, alice.session, 1)
        async with talk(b.service, alice.token, alice.session) as on_b:
            joined = await on_b.subscribe(after_seq=1, reply={"reply_id": ack["reply_id"], "index": 0})
            assert (joined["replayed"], joined["running"]["index"]) == (0, 1)
            screen = Screen.of(on_b)
            await screen.shows("one two ")
            a.puppet.end()
            messages = await screen.has(1)
    assert [(message["seq"], message["content"]) for message in messages] == [(2, "one two ")]


@pytest.mark.parametrize("door", ["rest", "socket"])
async def test_b_cancels_a_reply_that_runs_on_a(shared: Shared, door: str) -> None:
    async with together(shared) as (a, b, alice):
        reply_id = (await alice.post(alice.a, "Hello")).json()["reply_id"]
        await a.puppet.began()
        a.puppet.say("par", "tial")
        await at_piece(a, alice.session, 1)
        if door == "rest":
            answer = await alice.b.post(f"/api/conversations/{alice.session}/cancel", json={"reply_id": reply_id})
            assert answer.json() == {"status": "cancelled"}
        else:
            async with talk(b.service, alice.token, alice.session) as on_b:
                await on_b.subscribe()
                await on_b.say({"type": "cancel", "session_id": alice.session, "reply_id": reply_id, "id": "c-9"})
                assert (await on_b.hear_until("message"))[-1]["status"] == "cancelled"
        reply = (await finished(alice, 2))[1]
        assert (reply["message_id"], reply["status"], reply["content"]) == (reply_id, "cancelled", "partial")


async def test_messages_to_both_nodes_keep_one_order_and_one_reply_runs_at_a_time(shared: Shared) -> None:
    count = 8
    async with together(shared) as (a, b, alice):
        puppets = [a.puppet, b.puppet]
        sends = (partial(alice.post, (alice.a, alice.b)[number % 2], f"{number}") for number in range(count))
        answers = await at_once(*sends)
        assert [answer.status_code for answer in answers] == [202] * count
        order: list[str] = []
        for turn in range(count):
            await until(partial(begun, puppets, turn + 1))
            assert begun(puppets, turn + 1) == turn + 1, "two replies run at once"
            order.append(next_turn(puppets, order))
        messages = await finished(alice, 2 * count)
    asked = [message for message in messages if message["sender"] == "user"]
    replies = [message for message in messages if message["sender"] == "bot"]
    assert [message["seq"] for message in messages] == list(range(1, 2 * count + 1))
    assert order == [message["content"] for message in asked]
    assert [reply["content"] for reply in replies] == [f"to {content}" for content in order]
    assert [reply["in_reply_to"] for reply in replies] == [message["message_id"] for message in asked]


async def test_one_message_sent_to_both_at_once_is_stored_once_and_answered_once(shared: Shared) -> None:
    async with together(shared) as (a, b, alice):
        sends = [partial(alice.post, client, "Hello", id="c-1") for client in (alice.a, alice.b) * 4]
        answers = [answer.json() for answer in await at_once(*sends)]
        assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 7
        assert len({(answer["message_id"], answer["reply_id"], answer["seq"]) for answer in answers}) == 1
        await until(lambda: a.puppet.asked or b.puppet.asked)
        (a if a.puppet.asked else b).puppet.end()
        messages = await finished(alice, 2)
        assert [message["seq"] for message in messages] == [1, 2]
        assert a.puppet.asked + b.puppet.asked == ["Hello"]


def begun(puppets: list[Puppet], count: int) -> int:
    """How many turns have begun, if so many have."""
    number = sum(len(puppet.asked) for puppet in puppets)
    return number if number >= count else 0


def next_turn(puppets: list[Puppet], before: list[str]) -> str:
    """Answer the turn that has just begun; its content."""
    for puppet in puppets:
        for content in puppet.asked:
            if content not in before:
                puppet.say(f"to {content}")
                puppet.end()
                return content
    raise AssertionError("no turn has begun")


async def at_piece(node: Node, session: str, index: int) -> None:
    """Until the reply that runs there has got so far."""
    feed = node.service.gb._services.chat.feed
    await until(lambda: (live := feed.live(BotSessionId(session))) is not None and live.index >= index)


async def heard_by(node: Node) -> None:
    """Until the bus knows what the node listens to."""
    bus = node.service.gb._services.bus
    if isinstance(bus, RedisBus):
        await bus.settled()
