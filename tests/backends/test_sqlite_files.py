"""The file of the SQLite storage: made, opened, refused, left alone."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.backends.sqlite.connecting import connect
from generalbots_api.errors import Unavailable
from generalbots_api.ids import BotSessionId, LoginId
from generalbots_api.storage import StorageError
from generalbots_api.testing.contract import NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message, fill, seqs
from generalbots_api.testing.logins import a_login

pytestmark = pytest.mark.anyio

ANOTHER = """
import asyncio, sys
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.testing.contract import NOON
from generalbots_api.testing.log import PLENTY, a_message

async def main(path, name):
    async with SqliteStorage(path) as storage:
        for number in range(5):
            await storage.log.add_message(a_message(f"{name}.{number}"), PLENTY, NOON)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder with ünïcode, ?, # and %41" / "test.db"


@pytest.fixture
async def made(path: Path) -> Path:
    """A file with something in it, closed."""
    path.parent.mkdir()
    async with SqliteStorage(path) as storage:
        await fill(storage, 50)
        for number in range(50):
            await storage.logins.open(a_login(str(number)), 100)
    return path


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def damage(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    content[page * 4_096 : page * 4_096 + 512] = b"\xa5" * 512
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def run_at_once(path: Path, count: int) -> None:
    """Processes that each write to the file, which none of them finds there."""
    processes = [
        subprocess.Popen([sys.executable, "-c", ANOTHER, str(path), str(name)], stderr=subprocess.PIPE)
        for name in range(count)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()


async def refusal(path: Path) -> str:
    """What opening says of the file, which it must leave as it is."""
    before = content_of(path)
    with pytest.raises(StorageError) as caught:
        await SqliteStorage(path, busy_timeout=0.1).__aenter__()
    assert content_of(path) == before
    assert str(path) in str(caught.value)
    return str(caught.value)


async def test_only_its_owner_may_read_the_file_and_what_lies_beside_it(path: Path) -> None:
    path.parent.mkdir()
    async with SqliteStorage(path) as storage:
        await fill(storage, 1)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"test.db": 0o600, "test.db-wal": 0o600, "test.db-shm": 0o600}
    assert [file.name for file in path.parent.iterdir()] == ["test.db"]


async def test_what_was_acknowledged_is_there_after_a_crash(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    async with SqliteStorage(path) as storage:
        messages = await fill(storage, 20)
        copy = tmp_path / "as a crash leaves it"
        shutil.copytree(path.parent, copy)
    async with SqliteStorage(copy / "test.db") as storage:
        assert (await storage.log.after(S1, 0, 50)).messages == messages


async def test_the_epoch_is_the_files_own(made: Path, tmp_path: Path) -> None:
    epochs = []
    for file in (made, made, tmp_path / "other.db"):
        async with SqliteStorage(file) as storage:
            epochs.append((await storage.log.head(S1)).epoch)
    assert epochs[0] == epochs[1] != epochs[2]


@pytest.mark.parametrize("content", [b"hello\n", b"\x00" * 5_000, b"SQLite format 2\x00" + b"\x01" * 5_000])
async def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    assert "not a SQLite database" in await refusal(file)


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_another_programs_database_is_refused(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE messages (id)")
        other.commit()
    assert "another program" in await refusal(file)


async def test_a_file_of_a_newer_version_is_refused(made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            ("generalbots_api", "9999_future", "2030-01-01"),
        )
        connection.commit()
    assert "upgrade the package" in await refusal(made)


@pytest.mark.parametrize("page", [1, 2, 5, 9])
async def test_a_damaged_file_is_refused(made: Path, page: int) -> None:
    damage(made, page)
    assert "restore it from a backup" in await refusal(made)


async def test_a_file_cut_short_is_refused(made: Path) -> None:
    cut(made, 10 * 4_096 + 100)
    assert "restore it from a backup" in await refusal(made)


async def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "missing" / "test.db"):
        with pytest.raises(StorageError, match="Check the path") as caught:
            await SqliteStorage(wrong).__aenter__()
        assert str(wrong) in str(caught.value)


async def test_a_file_that_another_program_keeps_locked_is_refused(made: Path) -> None:
    with closing(connect(made, 1)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in await refusal(made)


@pytest.mark.parametrize("path", ["", ":memory:", "file:x?mode=memory", "a\x00b"])
def test_a_path_of_no_file_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="MemoryStorage"):
        SqliteStorage(path)


@pytest.mark.parametrize("bounds", [{"max_pending": 0}, {"busy_timeout": -1}])
def test_bounds_out_of_range_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        SqliteStorage("test.db", **bounds)


async def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    async with SqliteStorage(file) as storage:
        await fill(storage, 1)


async def test_processes_that_make_the_file_at_once_share_it(tmp_path: Path) -> None:
    path, count = tmp_path / "test.db", 4
    run_at_once(path, count)
    async with SqliteStorage(path) as storage:
        page = await storage.log.after(S1, 0, 100)
    assert seqs(page.messages) == list(range(1, 5 * count + 1))


async def test_storages_that_make_the_file_at_once_share_it(tmp_path: Path) -> None:
    storages = [SqliteStorage(tmp_path / "test.db") for _ in range(4)]
    await at_once(*(storage.__aenter__ for storage in storages))
    for number, storage in enumerate(storages):
        await storage.log.add_message(a_message(str(number)), PLENTY, NOON)
    assert [(await storage.log.head(S1)).seq for storage in storages] == [4] * 4
    await at_once(*(storage.__aexit__ for storage in storages))


async def test_it_is_open_until_the_last_one_has_closed_it(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "test.db")
    async with storage:
        async with storage:
            await fill(storage, 1)
        assert (await storage.log.head(S1)).seq == 1
    for call in (storage.ping, lambda: storage.log.head(S1), lambda: storage.log.lost(NOON, 1)):
        with pytest.raises(Unavailable):
            await call()


async def test_an_opening_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "later" / "test.db")
    with pytest.raises(StorageError):
        await storage.__aenter__()
    (tmp_path / "later").mkdir()
    async with storage:
        await storage.ping()


def test_it_can_be_opened_on_one_event_loop_after_another(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "test.db")

    async def use(name: str, *, close: bool) -> int:
        await storage.__aenter__()
        added = await storage.log.add_message(a_message(name), PLENTY, NOON)
        if close:
            await storage.__aexit__(None, None, None)
        return added.message.seq

    seqs = [asyncio.run(use(name, close=name != "2")) for name in ("1", "2", "3")]
    assert seqs == [1, 2, 3]


async def test_hostile_ids_are_no_path_and_no_sql(made: Path) -> None:
    async with SqliteStorage(made) as storage:
        for id in ("'; DROP TABLE logins; --", '" OR 1=1', "../../x", "%", "*"):
            assert await storage.logins.get(LoginId(id)) is None
            assert (await storage.log.head(BotSessionId(id))).seq == 0
        assert await storage.logins.get(LoginId("1")) is not None
