"""Every store in one file, as one bundle."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Self

from generalbots_api.backends.sqlite.bots import SqliteBotRecordStore
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.backends.sqlite.leases import SqliteLeaseStore, SqliteRevocationStore
from generalbots_api.backends.sqlite.log import SqliteConversationLog
from generalbots_api.backends.sqlite.logins import SqliteLoginStore
from generalbots_api.backends.sqlite.pending import SqlitePendingLoginStore, SqliteSeenTokenStore
from generalbots_api.backends.sqlite.sessions import SqliteBotSessionStore


class SqliteStorage:
    """Keeps everything in the file at `path`, which is made, readable by its owner only, if it is missing.

    What has been answered is on disk (write-ahead log, `synchronous=FULL`).
    `busy_timeout` is how many seconds a write waits for a lock that another
    process holds, and `max_pending` how many writes may wait; past either a
    write raises `Unavailable`. On one event loop at a time; it may be closed
    and opened again, on another one too.

    Raises:
        ValueError: `path` is not that of a file, or a bound is out of range.
    """

    default_limiter = "generalbots_api.backends.memory:MemoryLimiter"
    default_bus = "generalbots_api.backends.memory:MemoryBus"

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 5, max_pending: int = 10_000) -> None:
        self._database = database = Database(checked(path), busy_timeout, max_pending)
        if busy_timeout < 0:
            raise ValueError("busy_timeout: must not be negative")
        if max_pending < 1:
            raise ValueError("max_pending: must be at least 1")
        self.logins = SqliteLoginStore(database)
        self.pending_logins = SqlitePendingLoginStore(database)
        self.seen_tokens = SqliteSeenTokenStore(database)
        self.revocations = SqliteRevocationStore(database)
        self.leases = SqliteLeaseStore(database)
        self.bot_records = SqliteBotRecordStore(database)
        self.bot_sessions = SqliteBotSessionStore(database)
        self.log = SqliteConversationLog(database)

    @property
    def path(self) -> Path:
        return self._database.path

    async def ping(self) -> None:
        """Commit a change to a row that is there for this only: the file, the lock and the disk are asked."""
        await self._database.write(probe)

    async def __aenter__(self) -> Self:
        """Raises:
        StorageError: the file is damaged, another program's, of a newer version, or not to be opened.
        """
        await self._database.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._database.close()


def probe(connection: sqlite3.Connection) -> None:
    """SQLite writes no page for a row that stays as it is, so this one changes each time."""
    connection.execute(
        "INSERT INTO facts (name, value) VALUES ('probe', '0')"
        " ON CONFLICT DO UPDATE SET value = CASE value WHEN '0' THEN '1' ELSE '0' END"
    )


def checked(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if not text or text.startswith(("file:", ":memory:")) or "\x00" in text:
        raise ValueError(f"path: {text!r} is not the path of a file; to keep nothing, use MemoryStorage")
    return Path(text)
