"""The conversation log in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.postgres.log_writes import LogWrites
from generalbots_api.backends.postgres.summaries import PAGE, summaries_of, values_of
from generalbots_api.backends.rows.messages import COLUMNS, message_of
from generalbots_api.backends.rows.values import MAX_INTEGER, from_json, in_range, micros
from generalbots_api.conversations.model import NODE_LEASE, Head, Message, Page, Summaries, SummaryQuery
from generalbots_api.ids import BotSessionId, MessageId

_LOG = "key_of(c.session_id) = key_of($1)"
_HEAD = f"SELECT seq FROM conversations c WHERE {_LOG}"  # noqa: S608 # constants only, here and below
_PAGE = (
    "SELECT c.seq, m.* FROM conversations c LEFT JOIN LATERAL"  # noqa: S608
    f" (SELECT {COLUMNS} FROM messages WHERE conversation = c.n AND {{range}} LIMIT $3) m ON true WHERE {_LOG}"
    " ORDER BY m.seq"
)
_AFTER = _PAGE.format(range="seq > $2 ORDER BY seq")
_BEFORE = _PAGE.format(range="seq < $2 ORDER BY seq DESC")
_SEQ_AT = "SELECT seq_before($1, $2)"
_IN_LOG = f"SELECT {COLUMNS} FROM messages WHERE conversation = (SELECT n FROM conversations c WHERE {_LOG})"  # noqa: S608
_BY_ID = f"{_IN_LOG} AND key_of(message_id) = key_of($2)"
_BY_CLIENT_ID = f"{_IN_LOG} AND client_id IS NOT NULL AND key_of(client_id) = key_of($2)"
_OF_M = ", ".join(f"m.{name}" for name in COLUMNS.replace("\n", "").split(", "))
_LOST = (
    f"SELECT c.session_id, {_OF_M} FROM waiting w JOIN messages m USING (conversation, seq)"  # noqa: S608
    " JOIN conversations c ON c.n = w.conversation WHERE NOT EXISTS"
    f" (SELECT 1 FROM leases l WHERE key_of(l.name) = key_of('{NODE_LEASE}' || w.node) AND l.until > $1)"
    " ORDER BY w.n LIMIT $2"
)
_BEHIND = f"SELECT count(*) FROM waiting w JOIN conversations c ON c.n = w.conversation WHERE {_LOG} AND w.seq < $2"  # noqa: S608
_MEMORY = f"SELECT m.value FROM memories m JOIN conversations c ON c.n = m.conversation WHERE {_LOG}"  # noqa: S608


class PostgresConversationLog(LogWrites):
    """`seq` comes from a counter in the transaction of the message, so a message that fails leaves no hole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self, session_id: BotSessionId, /) -> Head:
        return self._head_of(await self._database.point(_HEAD, session_id))

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        start, count = in_range(seq), in_range(limit)
        rows = await self._database.read(_AFTER, session_id, start, count)
        head = self._head_of(rows)
        return Page(messages=messages_in(session_id, rows), has_more=start + count < head.seq, head=head)

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        count = in_range(limit)
        rows = await self._database.read(_BEFORE, session_id, MAX_INTEGER if seq is None else in_range(seq), count)
        head = self._head_of(rows)
        end = head.seq + 1 if seq is None else max(1, min(seq, head.seq + 1))
        return Page(messages=messages_in(session_id, rows), has_more=end - count > 1, head=head)

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        rows = await self._database.read(_SEQ_AT, session_id, micros(at))
        return rows[0][0] if rows else 0

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None:
        rows = await self._database.point(_BY_ID, session_id, message_id)
        return message_of(session_id, rows[0]) if rows else None

    async def by_client_id(self, session_id: BotSessionId, id: str, /) -> Message | None:
        rows = await self._database.point(_BY_CLIENT_ID, session_id, id)
        return message_of(session_id, rows[0]) if rows else None

    async def lost(self, now: datetime, limit: int, /) -> list[Message]:
        rows = await self._database.read(_LOST, micros(now), in_range(limit))
        return [message_of(row[0], row[1:]) for row in rows]

    async def behind(self, session_id: BotSessionId, seq: int, /) -> int:
        rows = await self._database.read(_BEHIND, session_id, in_range(seq))
        return rows[0][0] if rows else 0

    async def summaries(self, query: SummaryQuery, /) -> Summaries:
        return summaries_of(await self._database.read(PAGE, *values_of(query)), query)

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        rows = await self._database.point(_MEMORY, session_id)
        found: dict[str, Any] = from_json(rows[0][0]) if rows else {}
        return found

    def _head_of(self, rows: list[tuple[Any, ...]]) -> Head:
        """From rows that begin with the log's `seq`; there are none of an unknown one."""
        return Head(epoch=self._database.epoch, seq=rows[0][0] if rows else 0)


def messages_in(session_id: BotSessionId, rows: list[tuple[Any, ...]]) -> list[Message]:
    """The messages beside the head; a page without one has a row without a `seq`."""
    return [message_of(session_id, row[1:]) for row in rows if row[1] is not None]
