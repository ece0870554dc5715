"""Leases and waiting revocations in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import sqlite_utils

from generalbots_api.auth.model import Revocation
from generalbots_api.backends.rows.revocations import COLUMNS, revocation_of, row_of
from generalbots_api.backends.rows.values import micros
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.ids import LoginId

_TAKE_LEASE = (
    "INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?4) ON CONFLICT (name)"
    " DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE holder = ?2 OR until <= ?3"
)
_HELD = "SELECT name, holder FROM leases WHERE substr(name, 1, length(?1)) = ?1"
_PUT = (
    f"INSERT INTO revocations ({COLUMNS}, due_at) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 # constants only
    " ON CONFLICT (id) DO UPDATE SET sealed_grant = excluded.sealed_grant, tries = excluded.tries,"
    " ended_at = excluded.ended_at, gives_up_at = excluded.gives_up_at, due_at = excluded.due_at"
)
_TAKE = (
    "UPDATE revocations SET tries = tries + 1, due_at = ?2 WHERE id ="  # noqa: S608
    " (SELECT id FROM revocations WHERE due_at <= ?1 ORDER BY due_at, rowid LIMIT 1)"
    f" RETURNING {COLUMNS}"
)


class SqliteLeaseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, now: datetime, until: datetime, /) -> bool:
        def job(connection: sqlite3.Connection) -> bool:
            return connection.execute(_TAKE_LEASE, (name, holder, micros(now), micros(until))).rowcount == 1

        return await self._database.write(job)

    async def drop(self, name: str, holder: str, /) -> None:
        await self._run("DELETE FROM leases WHERE name = ? AND holder = ?", (name, holder))

    async def held(self, prefix: str, /) -> dict[str, str]:
        def query(db: sqlite_utils.Database) -> dict[str, str]:
            return dict(db.conn.execute(_HELD, (prefix,)).fetchall())

        return await self._database.listing(query, {})

    async def prune(self, now: datetime, /) -> int:
        return await self._run("DELETE FROM leases WHERE until <= ?", (micros(now),))

    async def _run(self, sql: str, arguments: tuple[Any, ...]) -> int:
        def job(connection: sqlite3.Connection) -> int:
            return connection.execute(sql, arguments).rowcount

        return await self._database.write(job)


class SqliteRevocationStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, revocation: Revocation, due_at: datetime, /) -> None:
        row = (*row_of(revocation), micros(due_at))

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, row)

        await self._database.write(job)

    async def take(self, now: datetime, due_again_at: datetime, /) -> Revocation | None:
        def job(connection: sqlite3.Connection) -> Revocation | None:
            rows = connection.execute(_TAKE, (micros(now), micros(due_again_at))).fetchall()
            return revocation_of(rows[0]) if rows else None

        return await self._database.write(job)

    async def drop(self, id: LoginId, /) -> None:
        def job(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM revocations WHERE id = ?", (id,))

        await self._database.write(job)
