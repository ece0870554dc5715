"""A node that shows no more that it lives: another one interrupts its replies, once."""

from __future__ import annotations

from functools import partial

import pytest

from generalbots_api.conversations.nodes import LEASE, Nodes
from tests.backends.redis.proxy import told, until
from tests.nodes.screen import Screen
from tests.nodes.stage import Alice, Node, Shared, together, two_nodes
from tests.support.puppet import Frame, history, talk

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("shared", ["redis"], indirect=True)]


def nodes_of(node: Node) -> Nodes:
    return node.service.gb._services.chat.nodes


async def log_of(alice: Alice, count: int) -> list[Frame]:
    return await told(partial(history, alice.b, alice.session), lambda messages: len(messages) == count)


async def test_a_reply_is_interrupted_when_the_lease_of_its_node_is_over_and_not_before(shared: Shared) -> None:
    """A's clock stands still, so its lease is not prolonged, as if it had been killed."""
    async with (
        together(shared) as (a, b, alice),
        talk(b.service, alice.token, alice.session) as on_b,
    ):
        await on_b.subscribe()
        await alice.post(alice.a, "Hello")
        await a.puppet.began()
        a.puppet.say("so ", "far")
        screen = Screen.of(on_b)
        await screen.shows("so far")
        b.clock.advance(LEASE.total_seconds() - 1)
        await nodes_of(b).beat()
        assert len(await history(alice.b, alice.session)) == 1
        b.clock.advance(1)
        await nodes_of(b).beat()
        reply = (await screen.has(2))[1]
        assert (reply["status"], reply["content"]) == ("interrupted", "so far")
        assert await nodes_of(b).interrupt_lost() == 0
        a.puppet.say("!")
        a.puppet.end()
        await until(lambda: a.service.gb._services.turns.running == 0)
        assert [message["message_id"] for message in await log_of(alice, 2)][1] == reply["message_id"]
        await on_b.say({"type": "ping"})
        assert [frame["type"] for frame in await on_b.hear_until("pong")].count("message") == 0


async def test_a_node_that_was_taken_for_dead_shows_what_the_log_has(shared: Shared) -> None:
    async with (
        together(shared) as (a, b, alice),
        talk(a.service, alice.token, alice.session) as on_a,
    ):
        await on_a.send("Hello", id="c-1")
        await a.puppet.began()
        a.puppet.say("so far")
        screen = Screen.of(on_a)
        await screen.shows("so far")
        b.clock.advance(LEASE.total_seconds())
        await nodes_of(b).beat()
        a.puppet.say(" and more")
        a.puppet.end()
        assert (await screen.has(1))[0]["status"] == "interrupted"
        await alice.post(alice.a, "Again")
        await a.puppet.began(2)
        a.puppet.say("Yes")
        a.puppet.end()
        await log_of(alice, 4)
        again = (await screen.has(3))[1:]
        assert [(frame["seq"], frame["status"]) for frame in again] == [(3, "completed"), (4, "completed")]


async def test_several_nodes_that_find_a_reply_lost_store_one_end_of_it(shared: Shared) -> None:
    async with together(shared) as (a, b, alice), two_nodes(shared) as (c, d):
        answers = [await alice.post(alice.a, f"{number}") for number in range(3)]
        await a.puppet.began()
        for node in (b, c, d):
            node.clock.advance(LEASE.total_seconds())
            await nodes_of(node).leases.take(f"node:{nodes_of(node).node}", "x", node.clock.now(), node.clock.now())
        for node in (b, c, d):
            await nodes_of(node).interrupt_lost()
        messages = await log_of(alice, 6)
        assert [message["status"] for message in messages[3:]] == ["interrupted"] * 3
        assert [message["message_id"] for message in messages[3:]] == [one.json()["reply_id"] for one in answers]
