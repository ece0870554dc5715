"""What the writer knows from one transaction to the next is never older than the file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from generalbots_api.backends.sqlite import SqliteStorage, places
from generalbots_api.conversations.model import Message, NewReply
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotId, BotSessionId, MessageId
from generalbots_api.testing.contract import NOON, SECOND, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message, fill, seqs
from tests.backends.test_sqlite_writes import commits

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SqliteStorage]:
    async with SqliteStorage(path) as storage:
        yield storage


@pytest.fixture
async def other(storage: SqliteStorage) -> AsyncIterator[SqliteStorage]:
    """As another process has it: with connections of its own."""
    async with SqliteStorage(storage.path) as other:
        yield other


def a_reply(message: Message) -> NewReply:
    return NewReply(
        message_id=message.reply_id or MessageId(""),
        session_id=message.session_id,
        bot_id=BotId("echo"),
        in_reply_to=message.message_id,
        content="Hello",
    )


async def test_what_another_process_adds_is_counted(storage: SqliteStorage, other: SqliteStorage) -> None:
    found = []
    for number, one in enumerate([storage, other, other, storage, storage, other, storage]):
        added = await one.log.add_message(a_message(str(number)), PLENTY, NOON)
        found.append((added.message.seq, added.behind))
    assert found == [(number + 1, number) for number in range(7)]


async def test_what_another_process_answers_waits_no_longer(storage: SqliteStorage, other: SqliteStorage) -> None:
    first, second = await fill(storage, 2)
    with pytest.raises(Conflict):
        await storage.log.add_message(a_message("x"), 1, NOON)
    await other.log.add_reply(a_reply(first), None, NOON)
    assert (await storage.log.add_message(a_message("x"), 1, NOON)).behind == 1
    await storage.log.add_reply(a_reply(second), None, NOON)
    assert (await other.log.add_message(a_message("y"), PLENTY, NOON)).behind == 1


async def test_no_message_is_older_than_one_of_another_process(storage: SqliteStorage, other: SqliteStorage) -> None:
    await storage.log.add_message(a_message("1"), PLENTY, NOON)
    await other.log.add_message(a_message("2"), PLENTY, NOON + SECOND)
    assert (await storage.log.add_message(a_message("3"), PLENTY, NOON)).message.timestamp == NOON + SECOND


async def test_a_send_that_another_process_has_stored_is_repeated(storage: SqliteStorage, other: SqliteStorage) -> None:
    await fill(storage, 1)
    stored = (await other.log.add_message(a_message("2", id="c"), PLENTY, NOON)).message
    again = await storage.log.add_message(a_message("3", id="c", content=stored.content), 0, NOON)
    assert (again.message, again.duplicate) == (stored, True)


async def test_whether_there_is_a_memory_is_never_told_from_an_older_time(
    storage: SqliteStorage, other: SqliteStorage
) -> None:
    [first] = await fill(storage, 1)
    assert not (await storage.log.add_message(a_message("2"), PLENTY, NOON)).remembers
    await other.log.add_reply(a_reply(first), {"count": 1}, NOON)
    assert (await storage.log.add_message(a_message("3"), PLENTY, NOON)).remembers
    assert (await storage.log.add_message(a_message("4"), PLENTY, NOON)).remembers


async def test_what_is_written_while_it_is_closed_is_counted(path: Path) -> None:
    storage = SqliteStorage(path)
    for number, one in enumerate([storage, SqliteStorage(path), storage]):
        async with one:
            assert (await one.log.add_message(a_message(str(number)), PLENTY, NOON)).message.seq == number + 1


async def test_repeated_sends_and_refused_ones_share_the_commit_of_the_others(
    storage: SqliteStorage, path: Path
) -> None:
    """Each of them fails before it has changed anything; one that fails later loses the batch."""
    [first] = await fill(storage, 1)
    await storage.log.add_message(a_message("2", id="c"), PLENTY, NOON)
    await storage.log.add_reply(a_reply(first), None, NOON)
    before = commits(path)

    async def add(name: str, id: str, content: str, most_waiting: int = PLENTY) -> int | str:
        try:
            new = a_message(name, id=id, content=content)
            return (await storage.log.add_message(new, most_waiting, NOON)).message.seq
        except Conflict as conflict:
            return str(conflict.details["reason"])

    async def reply() -> int:
        return (await storage.log.add_reply(a_reply(first), None, NOON)).message.seq

    results = await at_once(
        partial(add, "3", "d", "new"),
        partial(add, "4", "c", "Hello 2"),
        partial(add, "5", "c", "another"),
        reply,
        partial(add, "6", "e", "new", 0),
        partial(add, "7", "c", "Hello 2", 0),
        partial(add, "8", "f", "new"),
    )
    assert results == [4, 2, "id_reused", 3, "busy", 2, 5]
    assert commits(path) - before == 1


async def test_more_logs_than_are_known_are_counted(storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_KNOWN", 3)
    for round in range(1, 4):
        for session in range(5):
            new = a_message(f"{round}", session_id=BotSessionId(str(session)))
            assert (await storage.log.add_message(new, PLENTY, NOON)).message.seq == round
    assert seqs((await storage.log.after(S1, 0, 10)).messages) == []
