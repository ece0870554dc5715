"""Peers that do not read, do not answer, do nothing, or come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import anyio
import httpx2
import pytest

from generalbots_api import EchoBot
from generalbots_api.client import NewMessage
from tests.faults.peers import Peer
from tests.faults.stage import PATIENCE, Person, descriptors, people_at, resident, threads
from tests.faults.table import Table, forms
from tests.proof.served import client_at
from tests.support.process import Runner
from tests.support.real import really_served

pytestmark = [pytest.mark.anyio, pytest.mark.server]
MIB = 2**20
KILO = 1_024
PIECES = 256  # of 16 KiB: the client takes no frame over 8 MiB


def port_of(runner: Runner) -> int:
    return int(runner.base.rpartition(":")[2])


def token_of(person: Person) -> str:
    return str(person.http.headers["authorization"]).removeprefix("Bearer ")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what the system does with descriptors, nobody tells
            await asyncio.sleep(0.02)


@forms(short=500, full=5_000)
async def test_idle_sockets_are_kept_and_the_dead_among_them_found(runner: Runner, size: int, table: Table) -> None:
    pid, port = runner.process.pid, port_of(runner)
    await warm(runner)
    before, memory = descriptors(pid), resident(pid)
    async with people_at(runner.base, 1) as [person]:
        peers = await connected(port, token_of(person), size)
        answering = [asyncio.create_task(peer.answer_pings()) for peer in peers]
        per_socket = (resident(pid) - memory) / size / KILO
        slowest = await slowest_health(person.http, 30)
        assert not any(task.done() for task in answering)
        if table.is_full:
            await asyncio.sleep(40)  # a ping and its time-out go by
            assert not any(task.done() for task in answering), "who answers is kept"
            await the_dead_are_found(peers, answering, table)
        for peer in peers:
            peer.vanish()
        await asyncio.gather(*answering, return_exceptions=True)
    await until(lambda: descriptors(pid) <= before)
    table.note(
        f"{size:,} idle sockets", f"{per_socket:.1f} KiB each, all kept", "≤ 64 KiB each", holds=per_socket <= 64
    )
    table.note_time(f"the slowest /health beside {size:,} idle sockets", slowest, 0.5)


async def warm(runner: Runner) -> None:
    """Once through a login, so that what is opened at its first use is open before anything is counted."""
    before = 0
    while descriptors(runner.process.pid) != before:
        before = descriptors(runner.process.pid)
        async with people_at(runner.base, 1):
            pass


async def connected(port: int, token: str, count: int) -> list[Peer]:
    """A few at a time, as the system's backlog is bounded."""
    places, peers = asyncio.Semaphore(50), list[Peer]()

    async def connect() -> None:
        async with places:
            peers.append(await Peer.connected(port, token))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(connect())
    return peers


async def the_dead_are_found(peers: list[Peer], answering: list[asyncio.Task[None]], table: Table) -> None:
    """The first hundred go silent; 25 s later they are asked, and 10 s after that closed."""
    for task in answering[:100]:
        task.cancel()
    await asyncio.gather(*answering[:100], return_exceptions=True)
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        codes = await asyncio.gather(*(peer.close_code() for peer in peers[:100]))
    assert not any(task.done() for task in answering[100:])
    table.note("100 peers that answer no ping", f"closed {set(codes)}", "4408", holds=set(codes) == {4408})
    table.note_time("until they are closed", time.monotonic() - began, 40)


async def slowest_health(http: httpx2.AsyncClient, count: int) -> float:
    """In seconds, of so many requests."""
    slowest = 0.0
    for _ in range(count):
        began = time.monotonic()
        assert (await http.get("/health")).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@forms(short=4, full=16)
async def test_a_peer_that_reads_nothing_is_closed_and_the_others_get_everything(
    runner: Runner, size: int, table: Table
) -> None:
    """`size` replies of 4 MiB."""
    pid, port = runner.process.pid, port_of(runner)
    async with people_at(runner.base, 1, "flood") as [person], client_at(port, token_of(person)) as client:
        slow = await Peer.connected(port, token_of(person), receive_buffer=4_096)
        before, most, lengths = resident(pid), 0, list[int]()
        async with slow.raw, client.conversation(person.session, after_seq=0) as chat, asyncio.timeout(PATIENCE):
            slow.say({"type": "subscribe", "session_id": person.session})
            for turn in range(size):
                await person.say(f"{PIECES:03}.{turn}")
                while len(lengths) <= turn:
                    event = await anext(chat)
                    most = max(most, resident(pid))
                    if isinstance(event, NewMessage) and event.message.sender == "bot":
                        lengths.append(len(event.message.content))
            code = await slow.close_code()
    assert lengths == [PIECES * 16 * KILO] * size
    growth = (most - before) / MIB
    figure = f"{4 * size} MiB whole to the other; closed {code}; +{growth:.0f} MiB"
    bound = "the other whole; 4450; ≤ 96 MiB, a reply of 4 MiB included"
    table.note("a peer that reads nothing", figure, bound, holds=code == 4450 and growth <= 96)


@forms(short=120, full=4_000)
async def test_churn_leaves_no_descriptor_and_no_thread(runner: Runner, size: int, table: Table) -> None:
    pid, port, random = runner.process.pid, port_of(runner), Random(size)  # noqa: S311 # who does what
    async with people_at(runner.base, 1, "slow") as [person]:
        await churn(port, person, random, 40)  # what is made once is there
        await until(lambda: descriptors(pid) <= 100)
        before = await settled(pid)
        await churn(port, person, random, size)
        await until(lambda: descriptors(pid) <= before[0])
        after = await settled(pid)
    figure = f"{size} that broke off: descriptors {before[0]} → {after[0]}, threads {before[1]} → {after[1]}"
    bound = "no more descriptors; ≤ 4 threads more, as pools fill up"
    table.note("churn", figure, bound, holds=after[0] <= before[0] and after[1] <= before[1] + 4)


async def settled(pid: int) -> tuple[int, int]:
    """Descriptors and threads, as soon as they do not change any more."""
    last, same = (0, 0), 0
    while same < 10:
        now = descriptors(pid), threads(pid)
        last, same = now, same + 1 if now == last else 0
        await asyncio.sleep(0.03)
    return last


async def churn(port: int, person: Person, random: Random, count: int) -> None:
    places = asyncio.Semaphore(20)

    async def one() -> None:
        async with places:
            await random.choice([break_off_a_socket, break_off_a_stream, break_off_a_request])(port, person, random)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(one())


async def break_off_a_socket(port: int, person: Person, random: Random) -> None:
    """Some in the middle of a reply."""
    peer = await Peer.connected(port, token_of(person))
    if random.random() < 0.3:
        peer.say({"type": "message", "session_id": person.session, "content": "1"})
    peer.say({"type": "subscribe", "session_id": person.session, "after_seq": 0})
    await peer.hear()
    peer.vanish()


async def break_off_a_stream(port: int, person: Person, random: Random) -> None:
    path = f"/api/conversations/{person.session}/events"
    async with person.http.stream("GET", path) as stream:
        assert stream.status_code == 200
        if random.random() < 0.5:
            await anext(stream.aiter_bytes())


async def break_off_a_request(port: int, person: Person, random: Random) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /api/session/create HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token_of(person)}\r\n"
    )
    writer.write((head + 'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"bot_id":').encode())
    await writer.drain()
    writer.transport.abort()


@forms(short=60, full=1_000)
async def test_churn_leaves_no_task(size: int, table: Table) -> None:
    """In one process, where tasks can be counted."""
    async with really_served("runner", bots=[EchoBot()], settings={"sockets_per_user": 1_000}) as (service, port):
        token = await service.token("alice")
        await break_off_sockets(port, token, 10)
        await tasks_settled()
        before = len(asyncio.all_tasks())
        await break_off_sockets(port, token, size)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        after = len(asyncio.all_tasks())
    table.note("churn, tasks", f"{size} sockets: tasks {before} → {after}", "after ≤ before", holds=after <= before)


async def break_off_sockets(port: int, token: str, count: int) -> None:
    for _ in range(count):
        peer = await Peer.connected(port, token)
        peer.say({"type": "ping"})
        await peer.hear()
        peer.vanish()


async def tasks_settled() -> None:
    last, same = 0, 0
    while same < 10:
        now = len(asyncio.all_tasks())
        last, same = now, same + 1 if now == last else 0
        await anyio.sleep(0.03)
