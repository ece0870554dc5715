"""Bot records in PostgreSQL."""

from __future__ import annotations

from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.bots import COLUMNS, record_of, row_of
from generalbots_api.bots.model import BotRecord
from generalbots_api.ids import BotId

_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", "))
_PUT = (
    f"INSERT INTO bot_records ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608 # constants only
    f" ON CONFLICT (key_of(id)) DO UPDATE SET {_REPLACED}"
)
_GET = f"SELECT {COLUMNS} FROM bot_records WHERE key_of(id) = key_of($1)"  # noqa: S608
_ALL = f"SELECT {COLUMNS} FROM bot_records ORDER BY id"  # noqa: S608
_REMOVE = "DELETE FROM bot_records WHERE key_of(id) = key_of($1)"


class PostgresBotRecordStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, record: BotRecord, /) -> None:
        await self._database.write(_PUT, *row_of(record))

    async def get(self, id: BotId, /) -> BotRecord | None:
        rows = await self._database.point(_GET, id)
        return record_of(rows[0]) if rows else None

    async def all(self) -> list[BotRecord]:
        return [record_of(row) for row in await self._database.read(_ALL)]

    async def remove(self, id: BotId, /) -> bool:
        return (await self._database.write(_REMOVE, id)).changed == 1
