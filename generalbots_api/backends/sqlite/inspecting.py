"""Whether a file is ours, whole, and not from the future: found out without writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from generalbots_api.backends.sqlite.connecting import connect
from generalbots_api.backends.sqlite.schema import migrations, steps
from generalbots_api.storage import StorageError

APPLICATION_ID = 0x47426F74  # "GBot"
MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
APPLICATION_ID_AT = slice(68, 72)  # Source: SQLite, "Database File Format", 1.3

LEFT = "It was left as it is: give another path, or move the file away"
RESTORE = "It was left as it is: restore it from a backup, or move it away to begin with an empty one"


def inspect(path: Path, busy_timeout: float) -> None:
    """Look at the file; an empty one is fine.

    Raises:
        StorageError: it is another program's, damaged, or newer than this version.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if not header:
        return  # new, or about to be made by another process
    if not header.startswith(MAGIC):
        raise StorageError(f"{path} is not a SQLite database. {LEFT}")
    if int.from_bytes(header[APPLICATION_ID_AT], "big") != APPLICATION_ID:
        raise StorageError(f"{path} is the database of another program. {LEFT}")
    try:
        with closing(connect(path, busy_timeout, is_read_only=True)) as connection:
            check_whole(connection, path)
            check_known(connection, path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # of which one tells damaged names
        if getattr(error, "sqlite_errorname", "") == "SQLITE_READONLY_ROLLBACK":
            return  # a crash in the very first transaction: who opens it to write undoes that
        raise StorageError(f"{path} is damaged, or locked by another program: {error}. {RESTORE}") from error


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StorageError(f"{path} is damaged: {' '.join(found.split())}. {RESTORE}")


def check_known(connection: sqlite3.Connection, path: Path) -> None:
    applied = migrations().applied(Database(connection, execute_plugins=False))
    unknown = {step.name for step in applied} - steps().keys()
    if unknown:
        raise StorageError(
            f"{path} was written by a newer version of generalbots-api (it knows {min(unknown)}). "
            "It was left as it is: upgrade the package, or give another path"
        )
