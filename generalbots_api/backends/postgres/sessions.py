"""Bot sessions in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.backends.postgres.batches import Question
from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.sessions import COLUMNS, row_of, session_of
from generalbots_api.backends.rows.values import in_range, micros
from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.sessions.model import BotSession

_USER_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))"
_INSERT = f"INSERT INTO bot_sessions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"  # noqa: S608 # constants only
_GET = f"SELECT {COLUMNS} FROM bot_sessions WHERE key_of(id) = key_of($1)"  # noqa: S608
_ACTIVE = "key_of(user_id) = key_of($1) AND ended_at IS NULL AND expires_at > $2 ORDER BY created_at DESC, n DESC"
_ACTIVE_OF = f"SELECT {COLUMNS} FROM bot_sessions WHERE {_ACTIVE}"  # noqa: S608
_END_SURPLUS = (
    "WITH ended AS (UPDATE bot_sessions SET ended_at = $2 WHERE n IN"  # noqa: S608
    f" (SELECT n FROM bot_sessions WHERE {_ACTIVE} OFFSET $3) AND ended_at IS NULL RETURNING n, {COLUMNS})"
    f" SELECT {COLUMNS} FROM ended ORDER BY created_at, n"
)
_END = (
    "UPDATE bot_sessions SET ended_at = $1"  # noqa: S608
    f" WHERE key_of(id) = key_of($2) AND ended_at IS NULL AND expires_at > $1 RETURNING {COLUMNS}"
)


class PostgresBotSessionStore:
    """Ended sessions are kept; an index holds the open ones. A user's are opened one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: BotSession, keep: int, /) -> list[BotSession]:
        surplus = (session.user_id, micros(session.created_at), in_range(max(1, keep) - 1))
        _, ended, _ = await self._database.write_all(
            Question(_USER_LOCK, (session.user_id,)),
            Question(_END_SURPLUS, surplus),
            Question(_INSERT, row_of(session)),
        )
        return [session_of(row) for row in ended.rows]

    async def get(self, id: BotSessionId, /) -> BotSession | None:
        rows = await self._database.point(_GET, id)
        return session_of(rows[0]) if rows else None

    async def active_of(self, user_id: UserId, now: datetime, /) -> list[BotSession]:
        return [session_of(row) for row in await self._database.read(_ACTIVE_OF, user_id, micros(now))]

    async def end(self, id: BotSessionId, at: datetime, /) -> BotSession | None:
        rows = (await self._database.write(_END, micros(at), id)).rows
        return session_of(rows[0]) if rows else None
