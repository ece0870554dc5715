"""The promises of a `BotSessionStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from generalbots_api.errors import Conflict, InvalidRequest
from generalbots_api.ids import BotId, BotSessionId, UserId
from generalbots_api.sessions.model import BotSession
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOSTILE, HOUR, LONE_SURROGATE, NOON, SECOND, Contract, at_once

PLENTY = 1_000
ADA = UserId("ada")


def a_session(name: str, at: datetime = NOON, **fields: Any) -> BotSession:
    defaults: dict[str, Any] = {
        "id": BotSessionId(name),
        "user_id": ADA,
        "bot_id": BotId("echo"),
        "created_at": at,
        "expires_at": at + HOUR,
    }
    return BotSession(**{**defaults, **fields})


class BotSessionStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_session_comes_back_as_it_was_put(self, storage: Storage) -> None:
        session = a_session("one")
        assert await storage.bot_sessions.open(session, PLENTY) == []
        assert await storage.bot_sessions.get(session.id) == session
        assert await storage.bot_sessions.get(BotSessionId("nobody")) is None

    async def test_hostile_ids_stay_apart(self, storage: Storage) -> None:
        sessions = [a_session(id, user_id=UserId(id), bot_id=BotId(id)) for id in HOSTILE]
        for session in sessions:
            await storage.bot_sessions.open(session, PLENTY)
        for session in sessions:
            assert await storage.bot_sessions.get(session.id) == session
            assert await storage.bot_sessions.active_of(session.user_id, NOON) == [session]

    async def test_a_used_id_is_a_conflict_and_a_lone_surrogate_invalid(self, storage: Storage) -> None:
        session = a_session("one")
        await storage.bot_sessions.open(session, PLENTY)
        with pytest.raises(Conflict):
            await storage.bot_sessions.open(replace(session, bot_id=BotId("other")), PLENTY)
        with pytest.raises(InvalidRequest):
            await storage.bot_sessions.open(a_session("two", bot_id=BotId(LONE_SURROGATE)), PLENTY)
        assert await storage.bot_sessions.active_of(ADA, NOON) == [session]
        assert await storage.bot_sessions.get(BotSessionId(LONE_SURROGATE)) is None

    async def test_active_ones_come_newest_first_and_the_later_call_before_its_twin(self, storage: Storage) -> None:
        newer, older, twin = a_session("newer", NOON + SECOND), a_session("older"), a_session("twin")
        for session in (newer, older, twin):
            await storage.bot_sessions.open(session, PLENTY)
        assert await storage.bot_sessions.active_of(ADA, NOON + SECOND) == [newer, twin, older]

    async def test_ended_and_expired_ones_are_kept_but_not_active(self, storage: Storage) -> None:
        ended, expired, other = a_session("ended"), a_session("expired"), a_session("o", user_id=UserId("bob"))
        for session in (ended, expired, other):
            await storage.bot_sessions.open(session, PLENTY)
        assert await storage.bot_sessions.end(ended.id, NOON + SECOND) == ended.ended(NOON + SECOND)
        assert await storage.bot_sessions.active_of(ADA, NOON + 2 * SECOND) == [expired]
        assert await storage.bot_sessions.active_of(ADA, expired.expires_at) == []
        assert await storage.bot_sessions.get(ended.id) == ended.ended(NOON + SECOND)

    async def test_only_an_active_session_can_be_ended(self, storage: Storage) -> None:
        session = a_session("one")
        await storage.bot_sessions.open(session, PLENTY)
        assert await storage.bot_sessions.end(BotSessionId("nobody"), NOON) is None
        assert await storage.bot_sessions.end(session.id, session.expires_at) is None
        assert await storage.bot_sessions.end(session.id, NOON) is not None
        assert await storage.bot_sessions.end(session.id, NOON) is None

    async def test_of_racing_ends_exactly_one_gets_it(self, storage: Storage) -> None:
        session = a_session("one")
        await storage.bot_sessions.open(session, PLENTY)
        ended = await at_once(*[partial(storage.bot_sessions.end, session.id, NOON)] * 20)
        assert [one for one in ended if one is not None] == [session.ended(NOON)]

    async def test_opening_past_the_bound_ends_the_oldest_active_ones(self, storage: Storage) -> None:
        expired = a_session("expired", NOON - 2 * HOUR)
        others = a_session("bobs", NOON - SECOND, user_id=UserId("bob"))
        sessions = [a_session(str(number), NOON + number * SECOND) for number in range(5)]
        for session in (expired, others, *sessions[:4]):
            await storage.bot_sessions.open(session, PLENTY)
        at = sessions[4].created_at
        assert await storage.bot_sessions.open(sessions[4], 2) == [one.ended(at) for one in sessions[:3]]
        assert await storage.bot_sessions.active_of(ADA, at) == [sessions[4], sessions[3]]
        assert await storage.bot_sessions.get(expired.id) == expired
        assert await storage.bot_sessions.get(others.id) == others

    async def test_of_many_opened_at_once_the_bound_holds(self, storage: Storage) -> None:
        sessions = [a_session(str(number)) for number in range(30)]
        ended = await at_once(*(partial(storage.bot_sessions.open, one, 3) for one in sessions))
        assert len(await storage.bot_sessions.active_of(ADA, NOON)) == 3
        assert len({one.id for some in ended for one in some}) == 27
