"""Files that are damaged, or somebody else's: refused by the runner, and left as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.storage import StorageError
from generalbots_api.testing.log import S1, fill
from tests.faults.table import Table, forms
from tests.support.process import start

pytestmark = [pytest.mark.anyio, pytest.mark.server]
PAGE = 4_096
Harm = Callable[[Path], None]


def another_programs(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE messages (id)")
        other.commit()


def no_database(file: Path) -> None:
    file.write_text("Dear diary,\n" * 1_000)


def half_of_it(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 + 100])


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[2 * PAGE : 2 * PAGE + 512] = b"\xa5" * 512
    file.write_bytes(content)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            ("generalbots_api", "9999_future", "2030-01-01"),
        )
        connection.commit()


HARMS: dict[str, Harm] = {harm.__name__: harm for harm in (another_programs, no_database, half_of_it, damaged, newer)}


async def make(file: Path) -> None:
    async with SqliteStorage(file) as storage:
        await fill(storage, 60)


@forms(short=["damaged"], full=list(HARMS))
async def test_the_runner_refuses_them_says_which_and_leaves_them_as_they_were(
    tmp_path: Path, size: list[str], table: Table
) -> None:
    folders = {name: tmp_path / name for name in size}
    for name, folder in folders.items():
        folder.mkdir()
        await make(folder / "x.db")
        HARMS[name](folder / "x.db")
    before = {name: contents(folder) for name, folder in folders.items()}
    starts = {
        name: start("--storage", f"sqlite:///{folder}/x.db", "--bind", "127.0.0.1:0", folder=folder)
        for name, folder in folders.items()
    }
    for name, process in starts.items():
        _, errors = process.communicate(timeout=60)
        assert process.returncode not in (0, None), name
        assert f"{folders[name]}/x.db" in errors, errors
        assert "Traceback" not in errors
        left = contents(folders[name])
        assert left["x.db"] == before[name]["x.db"], f"{name}: not as it was"
        assert left.get("x.db-wal", b"") == b"", f"{name}: something was written"
    figure = f"{len(size)} of {len(size)} refused in one line that names the file, bytes unchanged"
    table.note(f"files: {', '.join(size).replace('_', ' ')}", figure, "refused, as they were", holds=True)


@forms(short=10, full=400)
async def test_a_file_with_random_damage_is_refused_or_reads_right(tmp_path: Path, size: int, table: Table) -> None:
    file, random = tmp_path / "x.db", Random(size)  # noqa: S311 # where to harm
    await make(file)
    whole = content_of(file)
    async with SqliteStorage(file) as storage:
        messages = (await storage.log.after(S1, 0, 100)).messages
    refused = 0
    for _ in range(size):
        content = bytearray(whole)
        at, length = random.randrange(len(content)), random.choice([1, 16, 512, PAGE])
        content[at : at + length] = random.randbytes(min(length, len(content) - at))
        file.write_bytes(content)
        try:
            async with SqliteStorage(file) as storage:
                page = (await storage.log.after(S1, 0, 100)).messages
        except StorageError:
            refused += 1
            assert file.read_bytes() == bytes(content)
            continue
        assert [one.seq for one in page] == [one.seq for one in messages]
    figure = f"{size} random damages: {refused} refused, bytes unchanged; {size - refused} in text or unused space"
    table.note("random damage to a file", figure, "refused or readable", holds=True)


def content_of(file: Path) -> bytes:
    return file.read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
