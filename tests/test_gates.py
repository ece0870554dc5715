"""What a request and a turn may cost, in counts that need no clock."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import generalbots_api
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.testing.contract import NOON, at_once
from generalbots_api.testing.log import PLENTY, a_message
from tests.support.events import http_scope
from tests.support.puppet import new_session, talk
from tests.support.service import Service, running_service

pytestmark = pytest.mark.anyio

OURS = str(Path(generalbots_api.__file__).parent)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(storage=SqliteStorage(tmp_path / "gates.db")) as service:
        yield service


@contextmanager
def statements(storage: Any) -> Iterator[list[str]]:
    """Every statement that the storage's own connections run meanwhile."""
    seen: list[str] = []
    database = storage._database
    connections = [database._reader, database._writer._connection, *(one.conn for one in database._listers)]
    for connection in connections:
        connection.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        for connection in connections:
            connection.set_trace_callback(None)


async def test_a_request_makes_no_task_and_no_thread_and_sends_twice(service: Service) -> None:
    headers = {"authorization": f"Bearer {await service.token('alice')}"}
    async with service.client(headers=headers) as client:
        assert (await client.get("/api/session")).status_code == 200  # warm
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    made: list[Any] = []
    loop = asyncio.get_running_loop()

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(work)
        return asyncio.Task(work, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        with statements(service.storage) as seen:
            await service.gb(http_scope("GET", "/api/session", headers), receive, send)
    finally:
        loop.set_task_factory(None)
    assert (sent[0]["status"], len(sent)) == (200, 2)
    assert (made, len(asyncio.all_tasks()), threading.active_count()) == ([], tasks, threads)
    assert seen == []  # it was read within the second before


async def test_a_session_that_is_not_known_is_read_by_one_statement(service: Service) -> None:
    token = await service.token("alice")
    async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.get("/health")).status_code == 200
        service.clock.advance(2)
        with statements(service.storage) as seen:
            assert (await client.get("/auth/validate")).json()["valid"] is True
    assert [statement.split()[0] for statement in seen] == ["SELECT"]


async def test_a_token_that_is_nobody_s_is_asked_for_once_a_second(service: Service) -> None:
    statuses, counts = [], []
    async with service.client(headers={"Authorization": "Bearer gbs_" + "a" * 43}) as client:
        for seconds in (0, 0, 0.9, 0.1):
            service.clock.advance(seconds)
            with statements(service.storage) as seen:
                statuses.append((await client.get("/api/session")).status_code)
            counts.append(len(seen))
    assert (statuses, counts) == ([401] * 4, [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("who", "status", "most"), [("alice", 200, 24), ("cookie", 200, 26), ("unknown", 401, 20), ("nobody", 401, 18)]
)
async def test_a_request_is_a_bounded_number_of_calls(service: Service, who: str, status: int, most: int) -> None:
    token = await service.token("alice") if who != "unknown" else "gbs_" + "a" * 43
    headers = {"cookie": f"gb_session={token}"} if who == "cookie" else {"authorization": f"Bearer {token}"}
    await check_calls(service, headers if who != "nobody" else {}, status, most)


async def test_a_request_past_the_limit_is_fewer_calls() -> None:
    async with running_service(settings={"limit_user": 1}) as service:
        headers = {"authorization": f"Bearer {await service.token('alice')}"}
        await http_answer(service, headers)
        await check_calls(service, headers, 429, 18)


async def check_calls(service: Service, headers: dict[str, str], status: int, most: int) -> None:
    """Calls of functions of ours, the coroutines' beginnings among them: a figure that no load disturbs."""
    assert await http_answer(service, headers) == status  # warm
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and OURS in frame.f_code.co_filename:
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        answered = await http_answer(service, headers)
    finally:
        sys.setprofile(None)
    assert (answered, calls[0]) == (status, "GeneralBots.__call__")
    assert len(calls) <= most, calls


async def http_answer(service: Service, headers: dict[str, str]) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await service.gb(http_scope("GET", "/api/session", headers), receive, send)
    return statuses[0]


async def test_a_turn_is_two_writes(service: Service) -> None:
    token = await service.token("alice")
    async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
        session = await new_session(client, "echo")
        async with talk(service, token, session) as one:
            await one.send("one two three four five")
            await one.hear_until("message")
            with statements(service.storage) as seen:
                await one.send("one two three four five")
                await one.hear_until("message")
    rows = [statement for statement in seen if statement.startswith("INSERT INTO messages")]
    commits = [statement for statement in seen if statement.startswith("COMMIT")]
    assert (len(rows), len(commits)) == (2, 2)


async def test_writes_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    async with SqliteStorage(tmp_path / "gates.db") as storage:
        with statements(storage) as seen:
            await at_once(*(adding(storage, number) for number in range(100)))
    assert len([one for one in seen if one.startswith("INSERT INTO messages")]) == 100
    assert len([one for one in seen if one.startswith("COMMIT")]) <= 10


def adding(storage: SqliteStorage, number: int) -> Any:
    async def add() -> None:
        await storage.log.add_message(a_message(str(number)), PLENTY, NOON)

    return add
