"""The list of a user's conversations, in PostgreSQL: the count, a page and each one's last message in one question."""

from __future__ import annotations

from typing import Any

from generalbots_api.backends.rows.messages import COLUMNS as MESSAGE_COLUMNS
from generalbots_api.backends.rows.messages import message_of
from generalbots_api.backends.rows.sessions import COLUMNS as SESSION_COLUMNS
from generalbots_api.backends.rows.sessions import session_of
from generalbots_api.backends.rows.values import MAX_INTEGER, in_range, instant, micros
from generalbots_api.conversations.model import Summaries, Summary, SummaryQuery

PAGE = f"""
WITH wanted AS MATERIALIZED (
    SELECT s.*, c.n AS conversation, coalesce(c.last_at, s.created_at) AS active_at
    FROM bot_sessions s LEFT JOIN conversations c ON key_of(c.session_id) = key_of(s.id)
    WHERE key_of(s.user_id) = key_of($1) AND ($2::text IS NULL OR s.bot_id = $2)
        AND ($3::boolean IS NULL OR $3 = (s.ended_at IS NULL AND s.expires_at > $4))
), page AS (
    SELECT * FROM wanted WHERE $5::bigint IS NULL OR (active_at, id) < ($5, $6::text)
    ORDER BY active_at DESC, id DESC LIMIT $7
)
SELECT total, page.active_at, {", ".join(f"page.{name}" for name in SESSION_COLUMNS.split(", "))}, last.*
FROM (SELECT count(*) AS total FROM wanted) counted LEFT JOIN page ON true LEFT JOIN LATERAL (
    SELECT {MESSAGE_COLUMNS} FROM messages WHERE conversation = page.conversation AND sender <> 'system'
    ORDER BY seq DESC LIMIT 1
) last ON true
ORDER BY page.active_at DESC, page.id DESC
"""  # noqa: S608 # constants only
_SESSION = slice(2, 2 + len(SESSION_COLUMNS.split(", ")))


def values_of(query: SummaryQuery) -> tuple[Any, ...]:
    at, id = query.after if query.after is not None else (None, None)
    return (
        query.user_id,
        query.bot_id,
        query.is_active,
        micros(query.now),
        micros(at) if at is not None else None,
        id,
        limit_of(query) + 1,
    )


def summaries_of(rows: list[tuple[Any, ...]], query: SummaryQuery) -> Summaries:
    """From the rows of `PAGE`: one without a session, if there is none on the page."""
    if not rows:
        return Summaries(found=[], total=0, has_more=False)
    found = [_summary(row) for row in rows if row[1] is not None]
    limit = limit_of(query)
    return Summaries(found=found[:limit], total=rows[0][0], has_more=len(found) > limit)


def limit_of(query: SummaryQuery) -> int:
    return min(in_range(query.limit), MAX_INTEGER - 1)


def _summary(row: tuple[Any, ...]) -> Summary:
    session, last = session_of(row[_SESSION]), row[_SESSION.stop :]
    return Summary(
        session=session,
        active_at=instant(row[1]),
        last=message_of(session.id, last) if last[0] is not None else None,
    )
