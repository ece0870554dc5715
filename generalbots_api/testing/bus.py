"""The promises of a `Bus`, seen from one process."""

from __future__ import annotations

from functools import partial

from generalbots_api.bus import Bus
from generalbots_api.testing.contract import HOSTILE, Contract, at_once


class BusContract(Contract):
    """Wants the fixture `bus`, open."""

    async def test_listeners_of_this_process_have_it_when_publish_returns(self, bus: Bus) -> None:
        heard: list[tuple[str, bytes]] = []
        bus.subscribe("topic", lambda payload: heard.append(("a", payload)))
        bus.subscribe("topic", lambda payload: heard.append(("b", payload)))
        await bus.publish("topic", b"\x00\xff news")
        assert heard == [("a", b"\x00\xff news"), ("b", b"\x00\xff news")]

    async def test_news_of_one_publisher_come_in_order_and_once(self, bus: Bus) -> None:
        heard: list[bytes] = []
        bus.subscribe("topic", heard.append)
        sent = [str(number).encode() for number in range(200)]
        for payload in sent:
            await bus.publish("topic", payload)
        assert heard == sent

    async def test_many_publishers_at_once_lose_nothing(self, bus: Bus) -> None:
        heard: list[bytes] = []
        bus.subscribe("topic", heard.append)
        sent = [str(number).encode() for number in range(50)]
        await at_once(*(partial(bus.publish, "topic", payload) for payload in sent))
        assert sorted(heard) == sorted(sent)

    async def test_topics_stay_apart(self, bus: Bus) -> None:
        heard: list[bytes] = []
        for topic in HOSTILE:
            bus.subscribe(topic, heard.append)
        await bus.publish("nobody listens", b"x")
        assert heard == []
        for number, topic in enumerate(HOSTILE):
            await bus.publish(topic, str(number).encode())
        assert heard == [str(number).encode() for number in range(len(HOSTILE))]

    async def test_who_leaves_hears_no_more_and_may_leave_twice(self, bus: Bus) -> None:
        heard: list[bytes] = []
        first, second = bus.subscribe("t", heard.append), bus.subscribe("t", heard.append)
        await bus.publish("t", b"both")
        first()
        first()
        await bus.publish("t", b"one")
        second()
        await bus.publish("t", b"none")
        assert heard == [b"both", b"both", b"one"]

    async def test_nothing_is_kept_for_those_who_come_later(self, bus: Bus) -> None:
        heard: list[bytes] = []
        await bus.publish("t", b"early")
        bus.subscribe("t", heard.append)
        assert heard == []

    async def test_a_listener_may_leave_while_it_is_told(self, bus: Bus) -> None:
        heard: list[bytes] = []

        def once(payload: bytes) -> None:
            heard.append(payload)
            leave()

        leave = bus.subscribe("t", once)
        bus.subscribe("t", heard.append)
        await bus.publish("t", b"1")
        await bus.publish("t", b"2")
        assert heard == [b"1", b"1", b"2"]

    async def test_it_can_be_reached(self, bus: Bus) -> None:
        await bus.ping()
