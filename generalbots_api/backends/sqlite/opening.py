"""Opening the file: made if it is missing, refused and left alone if it is not ours or is damaged."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from sqlite_utils import Database

from generalbots_api.backends.sqlite.connecting import connect
from generalbots_api.backends.sqlite.inspecting import APPLICATION_ID, LEFT, inspect
from generalbots_api.backends.sqlite.schema import migrations
from generalbots_api.storage import StorageError

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
CACHE_KIB = 16_384
ADVICE = "Check the path, its permissions, the free space and who else has it open"


def open_file(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """The connection that writes, to a file of ours with the newest schema.

    Raises:
        StorageError: it cannot be opened; the file is as it was.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
    try:
        make(path)
        inspect(path, busy_timeout)
        connection = connect(path, busy_timeout)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{path} cannot be opened: {error}. {ADVICE}") from error
    try:
        claim(connection, path)
        use_wal(connection, path, busy_timeout)
        migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StorageError(f"{path} cannot be written: {error}. {ADVICE}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def make(path: Path) -> None:
    """Make an empty file that only its owner may read; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def claim(connection: sqlite3.Connection, path: Path) -> None:
    """Mark an empty file as ours, before the WAL: so its header says so whatever comes after.

    Raises:
        StorageError: another program was faster.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        [id] = connection.execute("PRAGMA application_id").fetchone()
        if id != APPLICATION_ID:
            [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if id or tables:
                raise StorageError(f"{path} is the database of another program. {LEFT}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def use_wal(connection: sqlite3.Connection, path: Path, busy_timeout: float) -> None:
    """Switch to the write-ahead log, which needs the file to itself for a moment.

    Raises:
        StorageError: the file system cannot do it.
    """
    deadline = time.monotonic() + busy_timeout
    while True:  # SQLite does not wait for this lock itself when two switch at once
        try:
            [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StorageError(f"{path} is on a file system without shared memory: put it on a local disk")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it, after it has answered
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, all or nothing, one process at a time."""
    steps, db = migrations(), Database(connection, execute_plugins=False)
    if not steps.pending(db):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        steps.apply(db)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
