"""The bus is gone for a while: smoothness is lost, text is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pytest

from generalbots_api.backends.postgres import PostgresBus
from generalbots_api.backends.redis import RedisBus
from generalbots_api.ids import BotSessionId
from tests.backends.postgres.proxy import Proxy as PostgresProxy
from tests.backends.postgres.proxy import proxy_to
from tests.backends.redis.proxy import open_proxy, told, until
from tests.nodes.screen import Screen
from tests.nodes.stage import Node, Shared, Ways, together
from tests.support import postgres
from tests.support.puppet import Frame, history, talk

pytestmark = pytest.mark.anyio


class Away(Protocol):
    """A way to the bus alone."""

    async def go(self) -> None: ...

    async def come_back(self) -> None: ...


@dataclass
class Bus:
    """The way of one node to it."""

    away: Away
    ways: Ways

    def of(self, whose: str) -> tuple[Ways, Ways]:
        return (self.ways, Ways()) if whose == "a" else (Ways(), self.ways)


@dataclass
class PostgresAway:
    proxy: PostgresProxy

    async def go(self) -> None:
        self.proxy.stop()

    async def come_back(self) -> None:
        await self.proxy.start()


@pytest.fixture
async def bus(shared: Shared, anyio_backend: str) -> AsyncIterator[Bus]:
    if shared.bus == "redis":
        async with open_proxy() as proxy:

            class RedisAway:
                async def go(self) -> None:
                    await proxy.fall_ill("refuses")

                async def come_back(self) -> None:
                    await proxy.recover()

            yield Bus(RedisAway(), Ways(redis_bus=proxy.url))
    else:
        async with proxy_to(postgres.DSN) as way:
            yield Bus(PostgresAway(way), Ways(postgres_bus=way.dsn))


def is_up(node: Node) -> bool:
    """As far as the node knows, without asking: a ping would wait for its time-out."""
    bus = node.service.gb._services.bus
    if isinstance(bus, RedisBus):
        return bus.is_up
    assert isinstance(bus, PostgresBus)
    return not bus._listening._outages.is_down and not bus._sending._outages.is_down


async def down(node: Node) -> None:
    await until(lambda: not is_up(node))


@pytest.mark.parametrize("whose", ["a", "b"])
async def test_a_turn_that_b_hears_nothing_of_is_there_as_soon_as_the_bus_is(
    shared: Shared, bus: Bus, whose: str
) -> None:
    """Nothing else is said afterwards that would show the hole."""
    async with (
        together(shared, *bus.of(whose)) as (a, b, alice),
        talk(b.service, alice.token, alice.session) as on_b,
    ):
        await on_b.subscribe()
        await bus.away.go()
        await down(a if whose == "a" else b)
        await alice.post(alice.a, "Hello")
        await a.puppet.began()
        a.puppet.say("Hi ", "there")
        a.puppet.end()
        stored = await told(partial(history, alice.a, alice.session), lambda messages: len(messages) == 2)
        await bus.away.come_back()
        frames = await on_b.hear_until("message") + await on_b.hear_until("message")
    assert [frame["message_id"] for frame in frames if frame["type"] == "message"] == ids(stored)


async def test_a_reply_that_b_lost_sight_of_in_the_middle_is_whole_in_the_end(shared: Shared, bus: Bus) -> None:
    async with (
        together(shared, Ways(), bus.ways) as (a, b, alice),
        talk(b.service, alice.token, alice.session) as on_b,
    ):
        await on_b.subscribe()
        await until(partial(is_up, b))
        screen = Screen.of(on_b)
        await alice.post(alice.a, "Hello")
        await a.puppet.began()
        a.puppet.say("one ")
        await screen.shows("one ")
        await bus.away.go()
        await down(b)
        a.puppet.say("two ", "three ")
        feed = a.service.gb._services.chat.feed
        await until(lambda: (live := feed.live(BotSessionId(alice.session))) is not None and live.index == 2)
        await bus.away.come_back()
        await until(partial(is_up, b))
        a.puppet.say("four")
        a.puppet.end()
        reply = (await screen.has(2))[1]
    assert (reply["content"], reply["status"]) == ("one two three four", "completed")


async def test_b_answers_by_itself_while_the_bus_is_gone(shared: Shared, bus: Bus) -> None:
    async with together(shared, Ways(), bus.ways) as (_, b, alice):
        await bus.away.go()
        await down(b)
        async with talk(b.service, alice.token, alice.session) as on_b:
            joined = await on_b.subscribe(after_seq=0)
            assert (joined["recovered"], joined["running"]) == (True, None)
            await on_b.send("Hello", id="c-1")
            await b.puppet.began()
            b.puppet.say("Hi")
            b.puppet.end()
            frames = await on_b.hear_until("message")
        assert [frame["type"] for frame in frames] == ["ack", "message.start", "message.delta", "message"]
        assert (await alice.b.post("/auth/logout")).status_code == 200
        assert (await alice.b.get("/api/session")).status_code == 401


async def test_a_logout_that_b_did_not_hear_of_is_found_out_there(shared: Shared, bus: Bus) -> None:
    async with together(shared, Ways(), bus.ways) as (_, b, alice):
        assert (await alice.b.get("/api/session")).status_code == 200
        await bus.away.go()
        await down(b)
        assert (await alice.a.post("/auth/logout")).status_code == 200
        b.clock.advance(1)  # what is known of a login is no older
        assert (await alice.b.get("/api/session")).status_code == 401


def ids(messages: list[Frame]) -> list[str]:
    return [message["message_id"] for message in messages]
