"""Logins under way and used logout tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.auth.model import PendingLogin
from generalbots_api.backends.postgres.batches import Question
from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.pending import COLUMNS, pending_of, row_of
from generalbots_api.backends.rows.values import in_range, micros

AT_ONCE = 10_000  # rows
_INSERT = f"INSERT INTO pending_logins ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608 # constants only
_GET = f"SELECT {COLUMNS} FROM pending_logins WHERE state_hash = $1"  # noqa: S608
_POP = f"DELETE FROM pending_logins WHERE state_hash = $1 RETURNING {COLUMNS}"  # noqa: S608
_KEEP = (  # LIMIT lies over the locking, OFFSET would too: so what is kept is counted first
    "DELETE FROM pending_logins WHERE n IN (SELECT n FROM pending_logins {where} ORDER BY n"
    " LIMIT greatest(0, (SELECT count(*) FROM pending_logins {where}) - $1) FOR UPDATE SKIP LOCKED)"
)
_KEEP_OF_ALL = _KEEP.format(where="")
_KEEP_OF_BROWSER = _KEEP.format(where="WHERE key_of(browser) = key_of($2)")
_PRUNE_PENDING = (
    "DELETE FROM pending_logins WHERE n IN"  # noqa: S608
    f" (SELECT n FROM pending_logins WHERE expires_at <= $1 LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED)"
)
_SEE = "INSERT INTO seen_tokens (key, expires_at) VALUES (key_of($1), $2) ON CONFLICT DO NOTHING"
_PRUNE_SEEN = (
    "DELETE FROM seen_tokens WHERE key IN"  # noqa: S608
    f" (SELECT key FROM seen_tokens WHERE expires_at <= $1 LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED)"
)


class PostgresPendingLoginStore:
    """In the order of their beginning. Of those begun at once past a bound, none waits for another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, pending: PendingLogin, keep: int, per_browser: int, /) -> None:
        await self._database.write_all(
            Question(_INSERT, row_of(pending)),
            Question(_KEEP_OF_BROWSER, (in_range(max(1, per_browser)), pending.browser)),
            Question(_KEEP_OF_ALL, (in_range(max(1, keep)),)),
        )

    async def pop(self, state_hash: bytes, /) -> PendingLogin | None:
        rows = (await self._database.write(_POP, state_hash)).rows
        return pending_of(rows[0]) if rows else None

    async def get(self, state_hash: bytes, /) -> PendingLogin | None:
        rows = await self._database.read(_GET, state_hash)
        return pending_of(rows[0]) if rows else None

    async def prune(self, now: datetime, /) -> int:
        return await pruned(self._database, _PRUNE_PENDING, now)


class PostgresSeenTokenStore:
    """The hashes of the ids of logout tokens, each with its expiry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token_id: str, expires_at: datetime, /) -> bool:
        return (await self._database.write(_SEE, token_id, micros(expires_at))).changed == 1

    async def prune(self, now: datetime, /) -> int:
        return await pruned(self._database, _PRUNE_SEEN, now)


async def pruned(database: Database, statement: str, now: datetime) -> int:
    """How many rows are gone, some a transaction."""
    count = 0
    while some := (await database.write(statement, micros(now))).changed:
        count += some
    return count
