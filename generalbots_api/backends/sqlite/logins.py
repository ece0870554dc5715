"""Login sessions in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlite_utils

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.rows.logins import COLUMNS, login_of, row_of, standing_text
from generalbots_api.backends.rows.values import micros, micros_of
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.ids import LoginId, TokenHash, UserId

AT_ONCE = 200  # rows that one transaction prunes: the event loop does not stand still for thousands
_INSERT = f"INSERT INTO logins ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 # constants only
_BY_TOKEN = f"SELECT {COLUMNS} FROM logins WHERE token_hash = ?"  # noqa: S608
_BY_ID = f"SELECT {COLUMNS} FROM logins WHERE id = ?"  # noqa: S608
_SURPLUS = "SELECT n FROM logins WHERE user_id = ? ORDER BY created_at DESC, n DESC LIMIT -1 OFFSET ?"
_REMOVE = f"DELETE FROM logins WHERE n = ? RETURNING {COLUMNS}"  # noqa: S608
_END = f"DELETE FROM logins WHERE id = ? RETURNING {COLUMNS}"  # noqa: S608
_PRUNE = (
    "DELETE FROM logins WHERE n IN"  # noqa: S608
    f" (SELECT n FROM logins WHERE ends_at <= ? OR last_seen_at <= ? LIMIT {AT_ONCE}) RETURNING {COLUMNS}"
)
_TOUCH = "UPDATE logins SET last_seen_at = max(last_seen_at, ?) WHERE id = ?"
_SET_STANDING = "UPDATE logins SET standing = ?1, standing_at = ?2 WHERE id = ?3 AND (?4 IS NULL OR standing = ?4)"
_SET_GRANT = "UPDATE logins SET sealed_grant = ? WHERE id = ?"


class SqliteLoginStore:
    """Point reads in the event loop's thread, the rest in the storage's own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, login: Login, keep: int, /) -> list[Login]:
        def job(connection: sqlite3.Connection) -> list[Login]:
            surplus = connection.execute(_SURPLUS, (login.user_id, max(1, keep) - 1)).fetchall()
            removed = [connection.execute(_REMOVE, row).fetchall()[0] for row in reversed(surplus)]
            connection.execute(_INSERT, row_of(login))
            return [login_of(row) for row in removed]

        return await self._database.write(job)

    async def by_token(self, token_hash: TokenHash, /) -> Login | None:
        row = self._database.row(_BY_TOKEN, (token_hash,))
        return login_of(row) if row is not None else None

    async def get(self, id: LoginId, /) -> Login | None:
        row = self._database.row(_BY_ID, (id,))
        return login_of(row) if row is not None else None

    async def of_user(self, user_id: UserId, /) -> list[Login]:
        return await self._list("user_id = ?", user_id)

    async def of_directory_session(self, sid: str, /) -> list[Login]:
        return await self._list("directory_session = ?", sid)

    async def touch(self, id: LoginId, at: datetime, /) -> None:
        await self._update(_TOUCH, (micros(at), id))

    async def set_standing(
        self, id: LoginId, standing: Standing, at: datetime, /, before: Standing | None = None
    ) -> bool:
        was = standing_text(before) if before is not None else None
        arguments = (standing_text(standing), micros(at), id, was)

        def job(connection: sqlite3.Connection) -> bool:
            return connection.execute(_SET_STANDING, arguments).rowcount > 0

        return await self._database.write(job)

    async def set_grant(self, id: LoginId, sealed_grant: bytes, /) -> None:
        await self._update(_SET_GRANT, (sealed_grant, id))

    async def end(self, id: LoginId, /) -> Login | None:
        removed = await self._remove(_END, (id,))
        return removed[0] if removed else None

    async def prune(self, now: datetime, idle_timeout: timedelta, /) -> list[Login]:
        bounds = (micros(now), micros(now) - micros_of(idle_timeout))
        pruned: list[Login] = []
        while some := await self._remove(_PRUNE, bounds):
            pruned += some
        return pruned

    async def count(self, now: datetime, idle_timeout: timedelta, /) -> int:
        bounds = (micros(now) - micros_of(idle_timeout), micros(now))

        def query(db: sqlite_utils.Database) -> int:
            return db.table("logins").count_where("last_seen_at > ? AND ends_at > ?", bounds)

        return await self._database.listing(query, 0)

    async def _list(self, where: str, value: str) -> list[Login]:
        def query(db: sqlite_utils.Database) -> list[Login]:
            rows = db.table("logins").rows_where(where, [value], order_by="created_at, n", select=COLUMNS)
            return [login_of(row.values()) for row in rows]

        return await self._database.listing(query, [])

    async def _update(self, sql: str, arguments: Iterable[Any]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            connection.execute(sql, tuple(arguments))

        await self._database.write(job)

    async def _remove(self, sql: str, arguments: tuple[Any, ...]) -> list[Login]:
        def job(connection: sqlite3.Connection) -> list[Login]:
            return [login_of(row) for row in connection.execute(sql, arguments).fetchall()]

        return await self._database.write(job)
