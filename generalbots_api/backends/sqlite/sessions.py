"""Bot sessions in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlite_utils

from generalbots_api.backends.sqlite.database import Database
from generalbots_api.backends.sqlite.values import instant, micros
from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession

COLUMNS = "id, user_id, bot_id, created_at, expires_at, ended_at"
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


def row_of(session: BotSession) -> tuple[Any, ...]:
    return (
        session.id,
        session.user_id,
        session.bot_id,
        micros(session.created_at),
        micros(session.expires_at),
        micros(session.ended_at) if session.ended_at is not None else None,
    )


def session_of(row: Iterable[Any]) -> BotSession:
    id, user_id, bot_id, created_at, expires_at, ended_at = row
    return BotSession(
        id=id,
        user_id=user_id,
        bot_id=bot_id,
        created_at=instant(created_at),
        expires_at=instant(expires_at),
        ended_at=instant(ended_at) if ended_at is not None else None,
    )
