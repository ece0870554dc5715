"""Leases and waiting revocations in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from generalbots_api.auth.model import Revocation
from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.revocations import COLUMNS, revocation_of, row_of
from generalbots_api.backends.rows.values import micros
from generalbots_api.ids import LoginId

_TAKE_LEASE = (
    "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $4) ON CONFLICT (key_of(name)) DO UPDATE"
    " SET holder = excluded.holder, until = excluded.until WHERE leases.holder = $2 OR leases.until <= $3"
)
_DROP_LEASE = "DELETE FROM leases WHERE key_of(name) = key_of($1) AND holder = $2"
_HELD = "SELECT name, holder FROM leases WHERE starts_with(name, $1)"
_PRUNE = "DELETE FROM leases WHERE until <= $1"
_PUT = (
    f"INSERT INTO revocations ({COLUMNS}, due_at) VALUES ($1, $2, $3, $4, $5, $6)"  # noqa: S608 # constants only
    " ON CONFLICT (key_of(id)) DO UPDATE SET sealed_grant = excluded.sealed_grant, tries = excluded.tries,"
    " ended_at = excluded.ended_at, gives_up_at = excluded.gives_up_at, due_at = excluded.due_at"
)
_TAKE = (
    "UPDATE revocations SET tries = tries + 1, due_at = $2 WHERE n ="  # noqa: S608
    " (SELECT n FROM revocations WHERE due_at <= $1 ORDER BY due_at, n LIMIT 1 FOR UPDATE SKIP LOCKED)"
    f" RETURNING {COLUMNS}"
)
_DROP = "DELETE FROM revocations WHERE key_of(id) = key_of($1)"


class PostgresLeaseStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, holder: str, now: datetime, until: datetime, /) -> bool:
        return (await self._database.write(_TAKE_LEASE, name, holder, micros(now), micros(until))).changed == 1

    async def drop(self, name: str, holder: str, /) -> None:
        await self._database.write(_DROP_LEASE, name, holder)

    async def held(self, prefix: str, /) -> dict[str, str]:
        return dict(await self._database.read(_HELD, prefix))

    async def prune(self, now: datetime, /) -> int:
        return (await self._database.write(_PRUNE, micros(now))).changed


class PostgresRevocationStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, revocation: Revocation, due_at: datetime, /) -> None:
        await self._database.write(_PUT, *row_of(revocation), micros(due_at))

    async def take(self, now: datetime, due_again_at: datetime, /) -> Revocation | None:
        rows = (await self._database.write(_TAKE, micros(now), micros(due_again_at))).rows
        return revocation_of(rows[0]) if rows else None

    async def drop(self, id: LoginId, /) -> None:
        await self._database.write(_DROP, id)
