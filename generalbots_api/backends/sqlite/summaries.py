"""The list of a user's conversations, in SQLite."""

from __future__ import annotations

import sqlite3
from typing import Any

from generalbots_api.backends.rows.messages import COLUMNS as MESSAGE_COLUMNS
from generalbots_api.backends.rows.messages import message_of
from generalbots_api.backends.rows.sessions import COLUMNS as SESSION_COLUMNS
from generalbots_api.backends.rows.sessions import session_of
from generalbots_api.backends.rows.values import MAX_INTEGER, instant, micros
from generalbots_api.conversations.model import Summaries, Summary, SummaryQuery

_SESSIONS = (
    "SELECT {columns} FROM bot_sessions s LEFT JOIN conversations c ON c.session_id = s.id WHERE s.user_id = :user"
    " AND (:bot IS NULL OR s.bot_id = :bot)"
    " AND (:active IS NULL OR :active = (s.ended_at IS NULL AND s.expires_at > :now))"
)
_ACTIVE_AT = "coalesce(c.last_at, s.created_at)"
_TOTAL = _SESSIONS.format(columns="count(*)")
_PAGE = (
    _SESSIONS.format(columns=f"c.n, {_ACTIVE_AT}, " + ", ".join(f"s.{name}" for name in SESSION_COLUMNS.split(", ")))
    + f" AND (:at IS NULL OR ({_ACTIVE_AT}, s.id) < (:at, :id)) ORDER BY {_ACTIVE_AT} DESC, s.id DESC LIMIT :limit"
)
_LAST = (
    f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE conversation = ? AND sender <> 'system'"  # noqa: S608 # constants only
    " ORDER BY seq DESC LIMIT 1"
)


def summaries(connection: sqlite3.Connection, query: SummaryQuery) -> Summaries:
    limit = max(0, min(query.limit, MAX_INTEGER - 1))
    at, id = query.after if query.after is not None else (None, None)
    values: dict[str, Any] = {
        "user": query.user_id,
        "bot": query.bot_id,
        "active": query.is_active,
        "now": micros(query.now),
        "at": micros(at) if at is not None else None,
        "id": id,
        "limit": limit + 1,
    }
    [total] = connection.execute(_TOTAL, values).fetchone()
    rows = connection.execute(_PAGE, values).fetchall()
    return Summaries(found=[_summary(connection, row) for row in rows[:limit]], total=total, has_more=len(rows) > limit)


def _summary(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Summary:
    conversation, active_at, *columns = row
    session = session_of(columns)
    last = connection.execute(_LAST, (conversation,)).fetchone()
    return Summary(
        session=session,
        active_at=instant(active_at),
        last=message_of(session.id, last) if last is not None else None,
    )
