"""Two real runners on one PostgreSQL and one Redis; one of them is killed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from generalbots_api.client import Conversation, NewMessage
from tests.faults.peers import Peer
from tests.faults.stage import OPTIONS, new_database
from tests.faults.table import Table
from tests.proof.served import client_at, token_at, whole_log
from tests.proof.shown import check_log
from tests.proof.talker import answer_to, order
from tests.support import postgres, redis
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]
DATABASE = 11  # the runner's keys have their usual names, so they are kept apart
FOUND_OUT, LOGOUT = 20, 1  # seconds. Source: chat-protocol, "The socket"
PATIENCE = 60  # seconds: a guard against a test that would hang


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The arguments of both."""
    postgres.needs_server()
    redis.needs_server()
    url = urlsplit(redis.URL)._replace(path=f"/{DATABASE}").geturl()
    (tmp_path / "generalbots.toml").write_text(f'secret_keys = ["{"k" * 40}"]\n')
    with new_database() as dsn, Redis.from_url(url) as client:
        client.flushdb()
        yield ("--storage", dsn, "--limiter", url, "--bus", url, *OPTIONS)
        client.flushdb()


@asynccontextmanager
async def two_runners(shared: tuple[str, ...], folder: Path) -> AsyncIterator[tuple[Runner, Runner]]:
    contexts = [running_runner(*shared, folder=folder) for _ in range(2)]
    runners = await asyncio.gather(*(asyncio.to_thread(one.__enter__) for one in contexts))
    try:
        yield runners[0], runners[1]
    finally:
        await asyncio.gather(*(asyncio.to_thread(one.__exit__, None, None, None) for one in contexts))


def port_of(runner: Runner) -> int:
    return int(runner.base.rpartition(":")[2])


async def next_message(chat: Conversation) -> NewMessage:
    async with asyncio.timeout(PATIENCE):
        while not isinstance(event := await anext(chat), NewMessage):
            pass
    return event


async def test_a_login_and_a_turn_on_a_are_known_on_b(shared: tuple[str, ...], tmp_path: Path) -> None:
    content = order("hello", 20)
    async with two_runners(shared, tmp_path) as (a, b):
        token = await token_at(a.base, "alice")
        async with client_at(port_of(a), token) as on_a, client_at(port_of(b), token) as on_b:
            session = (await on_a.create_session("talker")).session_id
            async with on_b.conversation(session, after_seq=0) as seen, on_a.conversation(session) as said:
                await said.send(content)
                heard = [(await next_message(seen)).message.content for _ in range(2)]
        assert heard == [content, answer_to(content)]


@pytest.mark.long
async def test_a_is_killed_and_b_has_all_and_ends_its_reply_once(
    shared: tuple[str, ...], tmp_path: Path, table: Table
) -> None:
    async with two_runners(shared, tmp_path) as (a, b):
        token = await token_at(a.base, "alice")
        async with client_at(port_of(a), token) as on_a, client_at(port_of(b), token) as on_b:
            session = (await on_a.create_session("talker")).session_id
            sent = []
            async with on_b.conversation(session, after_seq=0) as seen:
                async with on_a.conversation(session) as said:
                    for number in range(5):
                        sent.append((await said.send(order(f"{number}", 3))).message_id)
                    sent.append((await said.send(order("long", 10_000, 10))).message_id)
                    done = [await next_message(seen) for _ in range(11)]
                    a.process.send_signal(signal.SIGKILL)
                    killed = time.monotonic()
                last = (await next_message(seen)).message
                seconds = time.monotonic() - killed
                assert (last.status, last.in_reply_to) == ("interrupted", sent[-1])
                await seen.send(order("after", 3))
                after = [(await next_message(seen)).message.status for _ in range(2)]
            stored = await whole_log(on_b, session)
    check_log(stored)
    assert [message.message_id for message in stored if message.sender == "user"][:6] == sent
    assert [one.message.message_id for one in done] == [one.message_id for one in stored[:11]]
    assert after == ["completed", "completed"]
    cut = [message.status for message in stored].count("interrupted")
    figure = f"{len(sent)} acknowledged, {len(sent)} there; {cut} interrupted"
    table.note("node A killed: seen on B", figure, "all there; 1 interrupted", holds=cut == 1)
    table.note_time("node A killed: until B says `interrupted`", seconds, FOUND_OUT)


@pytest.mark.long
async def test_a_logout_on_a_closes_the_socket_on_b_within_a_second(
    shared: tuple[str, ...], tmp_path: Path, table: Table
) -> None:
    async with two_runners(shared, tmp_path) as (a, b):
        slowest = 0.0
        for _ in range(10):
            token = await token_at(a.base, "alice")
            peer = await Peer.connected(port_of(b), token)
            async with peer.raw, client_at(port_of(a), token) as on_a, asyncio.timeout(PATIENCE):
                began = time.monotonic()
                await on_a.logout()
                assert await peer.close_code() == 4401
                slowest = max(slowest, time.monotonic() - began)
    table.note_time("logout on A: the slowest of 10 sockets closed on B", slowest, LOGOUT)
