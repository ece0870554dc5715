"""Login sessions in PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.postgres.batches import Question
from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.logins import COLUMNS, login_of, row_of, standing_text
from generalbots_api.backends.rows.values import in_range, micros, micros_of
from generalbots_api.ids import LoginId, TokenHash, UserId

AT_ONCE = 500  # rows that one transaction prunes: the event loop does not stand still for thousands
USER_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
_VALUES = ", ".join(f"${number}" for number in range(1, len(COLUMNS.split(",")) + 1))
_INSERT = f"INSERT INTO logins ({COLUMNS}) VALUES ({_VALUES})"  # noqa: S608 # constants only, here and below
_BY_TOKEN = f"SELECT {COLUMNS} FROM logins WHERE token_hash = $1"  # noqa: S608
_BY_ID = f"SELECT {COLUMNS} FROM logins WHERE key_of(id) = key_of($1)"  # noqa: S608
_OF_USER = f"SELECT {COLUMNS} FROM logins WHERE key_of(user_id) = key_of($1) ORDER BY created_at, n"  # noqa: S608
_OF_DIRECTORY_SESSION = (
    f"SELECT {COLUMNS} FROM logins"  # noqa: S608
    " WHERE directory_session IS NOT NULL AND key_of(directory_session) = key_of($1) ORDER BY created_at, n"
)
_REMOVE_SURPLUS = (
    "WITH gone AS (DELETE FROM logins WHERE n IN"  # noqa: S608
    " (SELECT n FROM logins WHERE key_of(user_id) = key_of($1) ORDER BY created_at DESC, n DESC OFFSET $2)"
    f" RETURNING n, {COLUMNS}) SELECT {COLUMNS} FROM gone ORDER BY created_at, n"
)
_END = f"DELETE FROM logins WHERE key_of(id) = key_of($1) RETURNING {COLUMNS}"  # noqa: S608
_PRUNE = (
    "DELETE FROM logins WHERE n IN"  # noqa: S608
    f" (SELECT n FROM logins WHERE ends_at <= $1 OR last_seen_at <= $2 LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED)"
    f" RETURNING {COLUMNS}"
)
_COUNT = "SELECT count(*) FROM logins WHERE last_seen_at > $1 AND ends_at > $2"
_TOUCH = "UPDATE logins SET last_seen_at = $1 WHERE key_of(id) = key_of($2) AND last_seen_at < $1"
_SET_STANDING = (
    "UPDATE logins SET standing = $1, standing_at = $2"
    " WHERE key_of(id) = key_of($3) AND ($4::text IS NULL OR standing = $4)"
)
_SET_GRANT = "UPDATE logins SET sealed_grant = $1 WHERE key_of(id) = key_of($2)"


class PostgresLoginStore:
    """A user's logins are opened one at a time, by a lock on the user's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, login: Login, keep: int, /) -> list[Login]:
        _, removed, _ = await self._database.write_all(
            Question(USER_LOCK, (login.user_id,)),
            Question(_REMOVE_SURPLUS, (login.user_id, in_range(max(1, keep) - 1))),
            Question(_INSERT, row_of(login)),
        )
        return [login_of(row) for row in removed.rows]

    async def by_token(self, token_hash: TokenHash, /) -> Login | None:
        rows = await self._database.point(_BY_TOKEN, token_hash)
        return login_of(rows[0]) if rows else None

    async def get(self, id: LoginId, /) -> Login | None:
        rows = await self._database.point(_BY_ID, id)
        return login_of(rows[0]) if rows else None

    async def of_user(self, user_id: UserId, /) -> list[Login]:
        return [login_of(row) for row in await self._database.read(_OF_USER, user_id)]

    async def of_directory_session(self, sid: str, /) -> list[Login]:
        return [login_of(row) for row in await self._database.read(_OF_DIRECTORY_SESSION, sid)]

    async def touch(self, id: LoginId, at: datetime, /) -> None:
        await self._database.write(_TOUCH, micros(at), id)

    async def set_standing(
        self, id: LoginId, standing: Standing, at: datetime, /, before: Standing | None = None
    ) -> bool:
        was = standing_text(before) if before is not None else None
        return (await self._database.write(_SET_STANDING, standing_text(standing), micros(at), id, was)).changed > 0

    async def set_grant(self, id: LoginId, sealed_grant: bytes, /) -> None:
        await self._database.write(_SET_GRANT, sealed_grant, id)

    async def end(self, id: LoginId, /) -> Login | None:
        rows = (await self._database.write(_END, id)).rows
        return login_of(rows[0]) if rows else None

    async def prune(self, now: datetime, idle_timeout: timedelta, /) -> list[Login]:
        pruned: list[Login] = []
        while rows := (await self._database.write(_PRUNE, micros(now), micros(now) - micros_of(idle_timeout))).rows:
            pruned += [login_of(row) for row in rows]
        return pruned

    async def count(self, now: datetime, idle_timeout: timedelta, /) -> int:
        [[count]] = await self._database.read(_COUNT, micros(now) - micros_of(idle_timeout), micros(now))
        return int(count)
