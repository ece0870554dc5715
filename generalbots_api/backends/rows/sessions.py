"""A bot session as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generalbots_api.backends.rows.values import instant, micros
from generalbots_api.sessions.model import BotSession

COLUMNS = "id, user_id, bot_id, created_at, expires_at, ended_at"


def row_of(session: BotSession) -> tuple[Any, ...]:
    return (
        session.id,
        session.user_id,
        session.bot_id,
        micros(session.created_at),
        micros(session.expires_at),
        micros(session.ended_at) if session.ended_at is not None else None,
    )


def session_of(row: Iterable[Any]) -> BotSession:
    id, user_id, bot_id, created_at, expires_at, ended_at = row
    return BotSession(
        id=id,
        user_id=user_id,
        bot_id=bot_id,
        created_at=instant(created_at),
        expires_at=instant(expires_at),
        ended_at=instant(ended_at) if ended_at is not None else None,
    )
