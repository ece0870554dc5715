"""Writing to SQLite: in groups, acknowledged when it is on disk, and again after it has failed."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from generalbots_api.backends.sqlite import SqliteStorage, checkpoints, gathering
from generalbots_api.backends.sqlite.connecting import connect
from generalbots_api.errors import Unavailable
from generalbots_api.ids import BotSessionId
from generalbots_api.testing.contract import NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message, fill, seqs
from generalbots_api.testing.logins import a_login

pytestmark = pytest.mark.anyio

WAL_HEADER, FRAME_HEADER, PAGE = 32, 24, 4_096

WRITER = """
import asyncio, sys
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.testing.log import fill

async def main(path, count):
    async with SqliteStorage(path) as storage:
        await fill(storage, int(count))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SqliteStorage]:
    async with SqliteStorage(path, busy_timeout=0.05) as storage:
        yield storage


def commits(path: Path) -> int:
    """How many transactions the write-ahead log holds.

    Source: SQLite, "WAL File Format": the last frame of a commit says the file's size.
    """
    wal = Path(f"{path}-wal").read_bytes()
    salt, count = wal[16:24], 0
    for at in range(WAL_HEADER, len(wal), FRAME_HEADER + PAGE):
        frame = wal[at : at + FRAME_HEADER]
        count += frame[8:16] == salt and frame[4:8] != b"\x00" * 4
    return count


def size_of(path: Path | str) -> int:
    return Path(path).stat().st_size


@contextmanager
def full_disk(path: Path, spare: int = 0) -> Iterator[None]:
    """No file may grow beyond what the write-ahead log has now, and `spare` bytes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_writes_at_once_share_commits(storage: SqliteStorage, path: Path) -> None:
    before = commits(path)
    await at_once(*(partial(storage.log.add_message, a_message(str(number)), PLENTY, NOON) for number in range(200)))
    assert 1 <= commits(path) - before <= 20


async def test_writes_that_come_in_one_turn_of_the_loop_after_another_share_a_commit(
    storage: SqliteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST_SECONDS", 60)
    before = commits(path)

    async def write(turns: int) -> None:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        await storage.log.add_message(a_message(str(turns)), PLENTY, NOON)

    await at_once(*(partial(write, turns) for turns in reversed(range(50))))  # in each turn the next one is ahead
    assert commits(path) - before == 1


async def test_writes_one_after_the_other_each_have_their_commit(storage: SqliteStorage, path: Path) -> None:
    before = commits(path)
    await fill(storage, 10)
    assert commits(path) - before == 10


async def test_an_answer_comes_when_others_can_see_it(storage: SqliteStorage, path: Path) -> None:
    with connect(path, 1, is_read_only=True) as other:
        for number in range(20):
            await storage.log.add_message(a_message(str(number)), PLENTY, NOON)
            assert other.execute("SELECT count(*) FROM messages").fetchone() == (number + 1,)
    other.close()


async def test_nobody_is_answered_before_the_commit(path: Path) -> None:
    answers: list[int] = []
    async with SqliteStorage(path) as storage, anyio.create_task_group() as group:
        other = connect(path, 1)
        other.execute("BEGIN IMMEDIATE")

        async def write(number: int) -> None:
            answers.append((await storage.log.add_message(a_message(str(number)), PLENTY, NOON)).message.seq)

        for number in range(3):
            group.start_soon(write, number)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert answers == []
        assert (await storage.log.head(S1)).seq == 0
        other.execute("COMMIT")
        other.close()
    assert sorted(answers) == [1, 2, 3]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_each_acknowledged_write_waited_for_the_disk(path: Path, tmp_path: Path) -> None:
    counts = []
    for count in (0, 40):
        trace = tmp_path / "trace"
        command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        done = subprocess.run(
            [*command, sys.executable, "-c", WRITER, str(path), str(count)], capture_output=True, check=False
        )
        if done.returncode and b"ptrace" in done.stderr:
            pytest.skip("strace is not permitted here")
        assert done.returncode == 0, done.stderr.decode()
        counts.append(trace.read_text().count("sync("))
    assert counts[1] - counts[0] >= 20  # the first run made the file as well


async def test_the_connection_that_writes_is_durable_and_keeps_its_references(storage: SqliteStorage) -> None:
    def pragmas(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "application_id")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await storage._database.write(pragmas) == ["wal", 2, 1, 0x47426F74]


async def test_every_table_is_strict(storage: SqliteStorage, path: Path) -> None:
    other = connect(path, 1, is_read_only=True)
    tables = dict(other.execute("SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE '%sqlite%'"))
    other.close()
    assert len(tables) == 11
    assert set(tables.values()) == {1}


async def test_a_locked_file_refuses_writes_and_reads_go_on(storage: SqliteStorage, path: Path) -> None:
    messages = await fill(storage, 2)
    other = connect(path, 1)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await storage.ping()
    with pytest.raises(Unavailable):
        await storage.log.add_message(a_message("x"), PLENTY, NOON)
    assert (await storage.log.after(S1, 0, 10)).messages == messages
    other.close()
    await storage.ping()
    assert (await storage.log.add_message(a_message("x"), PLENTY, NOON)).message.seq == 3


async def test_on_a_full_disk_reads_go_on_and_writes_work_again_when_there_is_room(
    storage: SqliteStorage, path: Path
) -> None:
    messages = await fill(storage, 2)
    login = a_login("one")
    await storage.logins.open(login, 5)
    with full_disk(path):
        for number in range(3):
            with pytest.raises(Unavailable):
                await storage.log.add_message(a_message(f"x{number}"), PLENTY, NOON)
        with pytest.raises(Unavailable):
            await storage.ping()
        assert await storage.logins.by_token(login.token_hash) == login
        assert (await storage.log.after(S1, 0, 10)).messages == messages
    await storage.ping()
    assert (await storage.log.add_message(a_message("y"), PLENTY, NOON)).message.seq == 3


async def test_a_write_that_is_too_big_for_the_disk_fails_alone(storage: SqliteStorage, path: Path) -> None:
    await fill(storage, 1)
    results: dict[str, int] = {}

    async def write(name: str, size: int) -> None:
        try:
            added = await storage.log.add_message(a_message(name, content="x" * size), PLENTY, NOON)
            results[name] = added.message.seq
        except Unavailable:
            results[name] = 0

    with full_disk(path, spare=30 * (FRAME_HEADER + PAGE)):
        calls = [partial(write, "small", 10), partial(write, "big", 2**20), partial(write, "other", 10)]
        await at_once(*calls)
    assert results == {"small": 2, "big": 0, "other": 3}
    assert seqs((await storage.log.after(S1, 0, 10)).messages) == [1, 2, 3]


async def test_a_bug_in_one_job_harms_no_other_of_its_batch(storage: SqliteStorage) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM messages")
        raise ZeroDivisionError

    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await storage._database.write(broken)

    async def write(name: str) -> None:
        await storage.log.add_message(a_message(name), PLENTY, NOON)

    await at_once(partial(write, "1"), fail, partial(write, "2"), fail, partial(write, "3"))
    assert seqs((await storage.log.after(S1, 0, 10)).messages) == [1, 2, 3]


async def test_a_waiter_that_is_cancelled_harms_no_other_of_its_batch(storage: SqliteStorage) -> None:
    async with anyio.create_task_group() as group, anyio.create_task_group() as cancelled:
        for number in range(20):
            group.start_soon(storage.log.add_message, a_message(f"a{number}"), PLENTY, NOON)
            cancelled.start_soon(storage.log.add_message, a_message(f"b{number}"), PLENTY, NOON)
        await anyio.lowlevel.checkpoint()
        cancelled.cancel_scope.cancel()
    page = await storage.log.after(S1, 0, 100)
    assert seqs(page.messages) == list(range(1, len(page.messages) + 1))
    assert {f"m-a{number}" for number in range(20)} <= {one.message_id for one in page.messages}
    await storage.ping()


async def test_writes_under_way_are_finished_when_it_is_closed(path: Path) -> None:
    async with anyio.create_task_group() as group, SqliteStorage(path) as storage:
        for number in range(300):
            group.start_soon(storage.log.add_message, a_message(str(number)), PLENTY, NOON)
        await anyio.lowlevel.checkpoint()
    async with SqliteStorage(path) as storage:
        assert (await storage.log.head(S1)).seq == 300


async def test_past_the_bound_writes_are_refused_at_once(path: Path) -> None:
    results: list[str] = []

    async def write(storage: SqliteStorage, number: int) -> None:
        try:
            await storage.log.add_message(a_message(str(number)), PLENTY, NOON)
            results.append("stored")
        except Unavailable:
            results.append("refused")

    async with SqliteStorage(path, max_pending=5) as storage:
        await at_once(*(partial(write, storage, number) for number in range(8)))
        await write(storage, 9)
    assert sorted(results) == ["refused"] * 3 + ["stored"] * 6


async def test_the_write_ahead_log_does_not_grow_for_ever(
    storage: SqliteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_JOBS", 50)

    async def write(session: int) -> None:
        for number in range(20):
            new = a_message(f"{session}.{number}", session_id=BotSessionId(str(session)), content="x" * 2_000)
            await storage.log.add_message(new, PLENTY, NOON)
            await storage.log.after(BotSessionId(str(session)), 0, 5)

    sizes = []
    for round in range(4):
        await at_once(*(partial(write, 50 * round + session) for session in range(50)))
        sizes.append(size_of(f"{path}-wal"))
    assert size_of(path) > 6_000_000
    assert max(sizes) < 6_000_000


async def test_pruning_goes_through_all_that_has_expired(storage: SqliteStorage) -> None:
    calls = [partial(storage.seen_tokens.add, str(number), NOON) for number in range(500)]
    await at_once(*calls)
    assert await storage.seen_tokens.prune(NOON) == 500
    assert await storage.seen_tokens.prune(NOON) == 0
