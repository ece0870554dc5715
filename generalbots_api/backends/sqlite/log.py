"""The conversation log in SQLite."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from datetime import datetime
from typing import Any

import sqlite_utils

from generalbots_api.backends.rows.messages import COLUMNS, message_of
from generalbots_api.backends.rows.values import MAX_INTEGER, as_json, from_json, in_range, micros
from generalbots_api.backends.sqlite.database import Database
from generalbots_api.backends.sqlite.log_writes import add_end, add_message, add_reply
from generalbots_api.backends.sqlite.summaries import summaries
from generalbots_api.conversations.model import (
    NODE_LEASE,
    Added,
    Head,
    Message,
    NewMessage,
    NewReply,
    Page,
    Summaries,
    SummaryQuery,
)
from generalbots_api.ids import BotSessionId, MessageId

_LOG = "SELECT n, seq FROM conversations WHERE session_id = ?"
_AFTER = (
    f"SELECT {COLUMNS} FROM messages WHERE conversation = ? AND seq > ? AND seq <= ?"  # noqa: S608 # constants only
    " ORDER BY seq LIMIT ?"
)
_BEFORE = f"SELECT {COLUMNS} FROM messages WHERE conversation = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
_LOST = (
    f"SELECT (SELECT session_id FROM conversations c WHERE c.n = conversation), {COLUMNS} FROM messages"  # noqa: S608
    f" WHERE is_answered = 0 AND NOT EXISTS (SELECT 1 FROM leases WHERE name = '{NODE_LEASE}' || node AND until > ?)"
    " ORDER BY n LIMIT ?"
)
_BEHIND = (
    "SELECT count(*) FROM messages WHERE is_answered = 0 AND seq < ?2"
    " AND conversation = (SELECT n FROM conversations WHERE session_id = ?1)"
)
_IN_SESSION = (
    f"SELECT {COLUMNS} FROM messages"  # noqa: S608
    " WHERE conversation = (SELECT n FROM conversations WHERE session_id = ?)"
)
_BY_ID = f"{_IN_SESSION} AND message_id = ?"
_BY_CLIENT_ID = f"{_IN_SESSION} AND client_id = ?"
_TIME = "SELECT timestamp FROM messages WHERE conversation = ? AND seq = ?"
_MEMORY = "SELECT value FROM memories WHERE conversation = (SELECT n FROM conversations WHERE session_id = ?)"


class SqliteConversationLog:
    """`seq` comes from a counter in the transaction of the message, so a message that fails leaves no hole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_message(self, message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        at = micros(now)
        return await self._database.write(
            lambda connection: add_message(connection, self._database.places, message, most_waiting, at)
        )

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        at, text = micros(now), as_json(memory) if memory is not None else None
        return await self._database.write(
            lambda connection: add_reply(connection, self._database.places, reply, text, at)
        )

    async def add_end(self, session_id: BotSessionId, reason: str, now: datetime, /) -> Added:
        at = micros(now)
        return await self._database.write(
            lambda connection: add_end(connection, self._database.places, session_id, reason, at)
        )

    async def head(self, session_id: BotSessionId, /) -> Head:
        row = self._database.row(_LOG, (session_id,))
        return Head(epoch=self._database.epoch, seq=row[1] if row is not None else 0)

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        head = await self.head(session_id)
        if seq >= head.seq:
            return Page(messages=[], has_more=False, head=head)
        start, count = max(0, seq), in_range(limit)

        def query(db: sqlite_utils.Database) -> Page:
            [conversation, _] = db.conn.execute(_LOG, (session_id,)).fetchone()
            rows = db.conn.execute(_AFTER, (conversation, start, head.seq, count)).fetchall()
            messages = [message_of(session_id, row) for row in rows]
            return Page(messages=messages, has_more=start + count < head.seq, head=head)

        return await self._database.listing(query, Page(messages=[], has_more=False, head=head))

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        head = await self.head(session_id)
        end = head.seq + 1 if seq is None else max(1, min(seq, head.seq + 1))
        count = in_range(limit)
        has_more = end - count > 1
        if end == 1:
            return Page(messages=[], has_more=has_more, head=head)

        def query(db: sqlite_utils.Database) -> Page:
            [conversation, _] = db.conn.execute(_LOG, (session_id,)).fetchone()
            rows = db.conn.execute(_BEFORE, (conversation, end, count)).fetchall()
            messages = [message_of(session_id, row) for row in reversed(rows)]
            return Page(messages=messages, has_more=has_more, head=head)

        return await self._database.listing(query, Page(messages=[], has_more=False, head=head))

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        def query(db: sqlite_utils.Database) -> int:
            row = db.conn.execute(_LOG, (session_id,)).fetchone()
            return seq_before(db.conn, row[0], row[1], micros(at)) if row is not None else 0

        return await self._database.listing(query, 0)

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None:
        row = self._database.row(_BY_ID, (session_id, message_id))
        return message_of(session_id, row) if row is not None else None

    async def by_client_id(self, session_id: BotSessionId, id: str, /) -> Message | None:
        row = self._database.row(_BY_CLIENT_ID, (session_id, id))
        return message_of(session_id, row) if row is not None else None

    async def lost(self, now: datetime, limit: int, /) -> list[Message]:
        def query(db: sqlite_utils.Database) -> list[Message]:
            rows = db.conn.execute(_LOST, (micros(now), in_range(limit))).fetchall()
            return [message_of(row[0], row[1:]) for row in rows]

        return await self._database.listing(query, [])

    async def behind(self, session_id: BotSessionId, seq: int, /) -> int:
        row = self._database.row(_BEHIND, (session_id, min(seq, MAX_INTEGER)))
        return row[0] if row is not None else 0

    async def summaries(self, query: SummaryQuery, /) -> Summaries:
        nothing = Summaries(found=[], total=0, has_more=False)
        return await self._database.listing(lambda db: summaries(db.conn, query), nothing)

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        row = self._database.row(_MEMORY, (session_id,))
        found: dict[str, Any] = from_json(row[0]) if row is not None else {}
        return found


def seq_before(connection: sqlite3.Connection, conversation: int, last: int, at: int) -> int:
    """The last `seq` stored before `at` (microseconds), by bisection: times never fall within a log."""

    def time_of(seq: int) -> int:
        found: int = connection.execute(_TIME, (conversation, seq)).fetchone()[0]
        return found

    return bisect_left(range(1, last + 1), at, key=time_of)
