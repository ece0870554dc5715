"""Bot records in SQLite."""

from __future__ import annotations

import sqlite3

import sqlite_utils

from generalbots_api.backends.rows.bots import COLUMNS, record_of, row_of
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.bots.model import BotRecord
from generalbots_api.ids import BotId

_PUT = f"INSERT OR REPLACE INTO bot_records ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 # constants only


class SqliteBotRecordStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, record: BotRecord, /) -> None:
        row = row_of(record)

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, row)

        await self._database.write(job)

    async def get(self, id: BotId, /) -> BotRecord | None:
        row = self._database.row(f"SELECT {COLUMNS} FROM bot_records WHERE id = ?", (id,))  # noqa: S608
        return record_of(row) if row is not None else None

    async def all(self) -> list[BotRecord]:
        def query(db: sqlite_utils.Database) -> list[BotRecord]:
            rows = db.table("bot_records").rows_where(order_by="id", select=COLUMNS)
            return [record_of(row.values()) for row in rows]

        return await self._database.listing(query, [])

    async def remove(self, id: BotId, /) -> bool:
        def job(connection: sqlite3.Connection) -> bool:
            return connection.execute("DELETE FROM bot_records WHERE id = ?", (id,)).rowcount == 1

        return await self._database.write(job)
