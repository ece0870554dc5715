"""Logins under way and used logout tokens in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from generalbots_api.auth.model import PendingLogin
from generalbots_api.backends.rows.pending import COLUMNS, pending_of, row_of
from generalbots_api.backends.rows.values import micros
from generalbots_api.backends.sqlite.database import Database

AT_ONCE = 200  # rows
_INSERT = f"INSERT INTO pending_logins ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 # constants only
_GET = f"SELECT {COLUMNS} FROM pending_logins WHERE state_hash = ?"  # noqa: S608
_POP = f"DELETE FROM pending_logins WHERE state_hash = ? RETURNING {COLUMNS}"  # noqa: S608
_KEEP_OF_BROWSER = (
    "DELETE FROM pending_logins WHERE n IN"
    " (SELECT n FROM pending_logins WHERE browser = ? ORDER BY n DESC LIMIT -1 OFFSET ?)"
)
_KEEP_OF_ALL = (
    "DELETE FROM pending_logins WHERE n IN"
    " (SELECT n FROM pending_logins ORDER BY n LIMIT max(0, (SELECT count(*) FROM pending_logins) - ?))"
)


class SqlitePendingLoginStore:
    """In the order of their beginning."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, pending: PendingLogin, keep: int, per_browser: int, /) -> None:
        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, row_of(pending))
            connection.execute(_KEEP_OF_BROWSER, (pending.browser, max(1, per_browser)))
            connection.execute(_KEEP_OF_ALL, (max(1, keep),))

        await self._database.write(job)

    async def pop(self, state_hash: bytes, /) -> PendingLogin | None:
        def job(connection: sqlite3.Connection) -> PendingLogin | None:
            rows = connection.execute(_POP, (state_hash,)).fetchall()
            return pending_of(rows[0]) if rows else None

        return await self._database.write(job)

    async def get(self, state_hash: bytes, /) -> PendingLogin | None:
        row = self._database.row(_GET, (state_hash,))
        return pending_of(row) if row is not None else None

    async def prune(self, now: datetime, /) -> int:
        return await prune(self._database, "pending_logins", now)


class SqliteSeenTokenStore:
    """The ids of logout tokens, each with its expiry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token_id: str, expires_at: datetime, /) -> bool:
        def job(connection: sqlite3.Connection) -> bool:
            sql = "INSERT INTO seen_tokens (token_id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
            return connection.execute(sql, (token_id, micros(expires_at))).rowcount == 1

        return await self._database.write(job)

    async def prune(self, now: datetime, /) -> int:
        return await prune(self._database, "seen_tokens", now)


async def prune(database: Database, table: str, now: datetime) -> int:
    """Delete what has expired, some rows a transaction: the event loop does not stand still for thousands."""
    sql = (
        f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608 # our own names
        f" (SELECT rowid FROM {table} WHERE expires_at <= ? LIMIT {AT_ONCE})"
    )

    def job(connection: sqlite3.Connection) -> int:
        return connection.execute(sql, (micros(now),)).rowcount

    count = 0
    while some := await database.write(job):
        count += some
    return count
