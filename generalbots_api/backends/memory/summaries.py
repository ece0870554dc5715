"""The list of a user's conversations, from what is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from generalbots_api.conversations.model import Message, Sender, Summaries, Summary, SummaryQuery
from generalbots_api.ids import BotSessionId
from generalbots_api.sessions.model import BotSession


def summaries(
    sessions: Iterable[BotSession], messages_of: Callable[[BotSessionId], list[Message]], query: SummaryQuery
) -> Summaries:
    wanted = [summary(one, messages_of(one.id)) for one in sessions if is_wanted(one, query)]
    wanted.sort(key=place_of, reverse=True)
    rest = [one for one in wanted if query.after is None or place_of(one) < query.after]
    limit = max(0, query.limit)
    return Summaries(found=rest[:limit], total=len(wanted), has_more=len(rest) > limit)


def is_wanted(session: BotSession, query: SummaryQuery) -> bool:
    if query.bot_id is not None and session.bot_id != query.bot_id:
        return False
    return query.is_active is None or session.is_active(query.now) == query.is_active


def summary(session: BotSession, messages: list[Message]) -> Summary:
    last = next((one for one in reversed(messages) if one.sender is not Sender.SYSTEM), None)
    active_at = messages[-1].timestamp if messages else session.created_at
    return Summary(session=session, active_at=active_at, last=last)


def place_of(summary: Summary) -> tuple[datetime, BotSessionId]:
    return summary.active_at, summary.session.id
