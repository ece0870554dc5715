"""Bot sessions in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import sqlite_utils

from generalbots_api.backends.rows.sessions import COLUMNS, row_of, session_of
from generalbots_api.backends.rows.values import micros
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession

_INSERT = f"INSERT INTO bot_sessions ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 # constants only
_GET = f"SELECT {COLUMNS} FROM bot_sessions WHERE id = ?"  # noqa: S608
_SURPLUS = (
    "SELECT n FROM bot_sessions WHERE user_id = ? AND ended_at IS NULL AND expires_at > ?"
    " ORDER BY created_at DESC, n DESC LIMIT -1 OFFSET ?"
)
_END_SURPLUS = f"UPDATE bot_sessions SET ended_at = ? WHERE n = ? RETURNING {COLUMNS}"  # noqa: S608
_END = (
    "UPDATE bot_sessions SET ended_at = ?1 WHERE id = ?2 AND ended_at IS NULL AND expires_at > ?1"  # noqa: S608
    f" RETURNING {COLUMNS}"
)


class SqliteBotSessionStore:
    """Ended sessions are kept; an index holds the open ones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: BotSession, keep: int, /) -> list[BotSession]:
        at = micros(session.created_at)

        def job(connection: sqlite3.Connection) -> list[BotSession]:
            surplus = connection.execute(_SURPLUS, (session.user_id, at, max(1, keep) - 1)).fetchall()
            ended = [connection.execute(_END_SURPLUS, (at, n)).fetchall()[0] for [n] in reversed(surplus)]
            connection.execute(_INSERT, row_of(session))
            return [session_of(row) for row in ended]

        return await self._database.write(job)

    async def get(self, id: BotSessionId, /) -> BotSession | None:
        row = self._database.row(_GET, (id,))
        return session_of(row) if row is not None else None

    async def active_of(self, user_id: UserId, now: datetime, /) -> list[BotSession]:
        def query(db: sqlite_utils.Database) -> list[BotSession]:
            rows = db.table("bot_sessions").rows_where(
                "user_id = ? AND ended_at IS NULL AND expires_at > ?",
                [user_id, micros(now)],
                order_by="created_at DESC, n DESC",
                select=COLUMNS,
            )
            return [session_of(row.values()) for row in rows]

        return await self._database.listing(query, [])

    async def end(self, id: BotSessionId, at: datetime, /) -> BotSession | None:
        def job(connection: sqlite3.Connection) -> BotSession | None:
            rows = connection.execute(_END, (micros(at), id)).fetchall()
            return session_of(rows[0]) if rows else None

        return await self._database.write(job)
