"""News between two processes: here two buses, each with connections of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from secrets import token_hex

import anyio
import psycopg
import pytest
from psycopg import sql

from generalbots_api.backends.postgres import PostgresBus
from generalbots_api.backends.postgres.pieces import MOST_SENDERS, PIECE_CHARS, Joiner, Splitter
from generalbots_api.errors import Unavailable
from tests.backends.postgres.proxy import Proxy
from tests.support import postgres

pytestmark = pytest.mark.anyio
GUARD = 20  # seconds: only a test that hangs needs as long
CHANNEL = f'gb test "bus {token_hex(4)}'  # of this run: others may use the same server


class Heard:
    """What a listener was told, to wait for."""

    def __init__(self, bus: PostgresBus, topic: str) -> None:
        self.payloads: list[bytes] = []
        self._more = anyio.Event()
        bus.subscribe(topic, self._hear)

    def _hear(self, payload: bytes) -> None:
        self.payloads.append(payload)
        self._more.set()

    async def __call__(self, count: int) -> list[bytes]:
        with anyio.fail_after(GUARD):
            while len(self.payloads) < count:
                self._more = anyio.Event()
                await self._more.wait()
        return self.payloads


@pytest.fixture
async def near(proxy: Proxy) -> AsyncIterator[PostgresBus]:
    """The one whose way to the server can be cut."""
    async with PostgresBus(proxy.dsn, channel=CHANNEL, timeout=1.0) as bus:
        yield bus


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[PostgresBus]:
    async with PostgresBus(postgres.DSN, channel=CHANNEL) as bus:
        yield bus


async def test_news_of_one_reach_the_other_once_and_in_order(near: PostgresBus, far: PostgresBus) -> None:
    here, there = Heard(near, "t"), Heard(far, "t")
    sent = [b"same"] * 5 + [str(number).encode() for number in range(300)]
    for payload in sent:
        await near.publish("t", payload)
    assert here.payloads == sent
    assert await there(len(sent)) == sent
    await far.publish("t", b"back")
    assert (await here(len(sent) + 1))[-1] == b"back"
    await near.ping()
    assert there.payloads == [*sent, b"back"]


@pytest.mark.parametrize("size", [0, 1, 6_000, 8_000, 100_000, 3_000_000])
async def test_news_may_be_of_any_size(near: PostgresBus, far: PostgresBus, size: int) -> None:
    there = Heard(far, "t")
    payload = bytes(range(256)) * (size // 256) + b"\x00" * (size % 256)
    await near.publish("t", payload)
    await near.publish("t", b"after")
    assert await there(2) == [payload, b"after"]


async def test_news_that_are_too_big_are_lost_without_a_sound_to_who_publishes(
    near: PostgresBus, far: PostgresBus
) -> None:
    here, there = Heard(near, "t"), Heard(far, "t")
    await near.publish("t", bytes(20_000_000))
    await near.publish("half \ud800", b"")
    await near.publish("t", b"after")
    assert await there(1) == [b"after"]
    assert len(here.payloads) == 2


@pytest.mark.parametrize("topic", ["", "nul\x00", "a b c d e", "ü" * 5_000, "'; DROP TABLE x; --"])
async def test_a_topic_may_be_any_text(near: PostgresBus, far: PostgresBus, topic: str) -> None:
    there = Heard(far, topic)
    await near.publish(topic, b"x")
    assert await there(1) == [b"x"]


async def test_other_channels_are_other_buses(near: PostgresBus) -> None:
    here = Heard(near, "t")
    async with PostgresBus(postgres.DSN, channel=f"{CHANNEL} other") as other:
        await other.publish("t", b"x")
        await other.ping()
        await near.ping()
    assert here.payloads == []


async def test_it_comes_back_when_its_connections_are_cut(proxy: Proxy, near: PostgresBus, far: PostgresBus) -> None:
    here, there = Heard(near, "t"), Heard(far, "t")
    for number in range(3):
        proxy.cut()
        await proxy.quiet()
        await until_back(near)
        await near.publish("t", b"out %d" % number)
        await far.publish("t", b"in %d" % number)
        for heard in (here, there):  # each of its own at once, and of the other's in time
            assert set((await heard(2 * number + 2))[-2:]) == {b"out %d" % number, b"in %d" % number}


async def test_what_is_published_while_the_server_is_away_goes_out_when_it_is_back(
    proxy: Proxy, near: PostgresBus, far: PostgresBus
) -> None:
    here, there = Heard(near, "t"), Heard(far, "t")
    proxy.stop()
    await proxy.quiet()
    with pytest.raises(Unavailable):
        await near.ping()
    sent = [str(number).encode() for number in range(100)]
    for payload in sent:
        await near.publish("t", payload)
    assert here.payloads == sent
    await proxy.start()
    assert await there(100) == sent


async def test_a_server_that_hangs_is_left_for_a_new_connection(
    proxy: Proxy, near: PostgresBus, far: PostgresBus
) -> None:
    there = Heard(far, "t")
    proxy.hang()
    await near.publish("t", b"lost")
    with pytest.raises(Unavailable):
        await near.ping()
    proxy.cut()
    proxy.flow()
    await until_back(near)
    await near.publish("t", b"after")
    assert (await there(1))[-1] == b"after"


async def test_news_that_wait_are_bounded_and_the_oldest_go(proxy: Proxy, far: PostgresBus) -> None:
    there = Heard(far, "t")
    async with PostgresBus(proxy.dsn, channel=CHANNEL, timeout=1.0, max_pending=10_000) as bus:
        proxy.stop()
        await proxy.quiet()
        with pytest.raises(Unavailable):
            await bus.ping()
        for number in range(1_000):
            await bus.publish("t", b"%4d" % number * 25)
        await proxy.start()
        last = b" 999" * 25
        with anyio.fail_after(GUARD):
            while not there.payloads or there.payloads[-1] != last:
                await there(len(there.payloads) + 1)
    assert len(there.payloads) < 100


async def test_what_waits_goes_out_before_it_is_closed(far: PostgresBus) -> None:
    there = Heard(far, "t")
    async with PostgresBus(postgres.DSN, channel=CHANNEL) as bus:
        for _ in range(50):
            await bus.publish("t", b"farewell")
    assert await there(50) == [b"farewell"] * 50


async def test_what_others_put_on_the_channel_is_no_news(near: PostgresBus, far: PostgresBus) -> None:
    here = Heard(near, "t")
    for rubbish in ("", "x", "a b c d e", "a 1 0 1 !!!!!", "a 1 5 9 x", "a 1 0 1 0000000", "a 1 x 1 y"):
        with psycopg.connect(postgres.DSN, autocommit=True) as connection:
            connection.execute(sql.SQL("NOTIFY {}, {}").format(sql.Identifier(CHANNEL), sql.Literal(rubbish)))
    await far.publish("t", b"news")
    assert await here(1) == [b"news"]


async def test_a_listener_that_fails_takes_nothing_from_the_others(near: PostgresBus, far: PostgresBus) -> None:
    here = Heard(near, "t")
    near.subscribe("bad", lambda payload: payload.decode("ascii").strip(payload))  # type: ignore[arg-type] # raises TypeError
    await far.publish("bad", b"x")
    await far.publish("t", b"news")
    assert await here(1) == [b"news"]


async def until_back(bus: PostgresBus) -> None:
    with anyio.fail_after(GUARD):
        while True:
            try:
                await bus.ping()
            except Unavailable:
                continue
            return


def joined(joiner: Joiner, pieces: list[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield from (payload for _, _, payload in joiner.messages(piece))


def test_a_message_with_a_gap_is_dropped_and_the_next_one_is_not() -> None:
    splitter, joiner = Splitter("a"), Joiner()
    one, two = (splitter.pieces("t", bytes([n]) * 5 * PIECE_CHARS) for n in (1, 2))
    assert list(joined(joiner, [*one[:2], *one[3:], *two])) == [b"\x02" * 5 * PIECE_CHARS]


def test_messages_of_two_senders_may_come_interleaved() -> None:
    joiner = Joiner()
    one, two = (Splitter(name).pieces("t", name.encode() * 3 * PIECE_CHARS) for name in "ab")
    mixed = [piece for pair in zip(one, two, strict=True) for piece in pair]
    assert list(joined(joiner, mixed)) == [b"a" * 3 * PIECE_CHARS, b"b" * 3 * PIECE_CHARS]


def test_senders_that_never_end_a_message_are_forgotten() -> None:
    joiner = Joiner()
    beginnings = [Splitter(str(n)).pieces("t", bytes(2 * PIECE_CHARS)) for n in range(MOST_SENDERS + 1)]
    assert list(joined(joiner, [pieces[0] for pieces in beginnings])) == []
    assert list(joined(joiner, beginnings[0][1:])) == []
    assert list(joined(joiner, beginnings[-1][1:])) == [bytes(2 * PIECE_CHARS)]
