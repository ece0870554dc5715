"""The promises of a `ConversationLog` about what waits, what was lost, the end of a session, and the list of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from generalbots_api.conversations.model import (
    END,
    GREETING,
    NODE_LEASE,
    Added,
    Message,
    MessageStatus,
    NewReply,
    Sender,
    Summaries,
    Summary,
    SummaryQuery,
)
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotId, BotSessionId, MessageId, UserId
from generalbots_api.sessions.model import BotSession
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOUR, LONE_SURROGATE, NOON, SECOND, Contract, at_once
from generalbots_api.testing.log import PLENTY, S1, S2, a_message
from generalbots_api.testing.replies import a_reply
from generalbots_api.testing.sessions import a_session

ADA = UserId("ada")


class WaitingContract(Contract):
    """Wants the fixture `storage`."""

    async def test_no_more_wait_than_the_bound(self, storage: Storage) -> None:
        for number in range(3):
            added = await storage.log.add_message(a_message(str(number)), 2, NOON)
            assert added.behind == number
        with pytest.raises(Conflict) as caught:
            await storage.log.add_message(a_message("3"), 2, NOON)
        assert caught.value.details == {"reason": "busy"}
        assert (await storage.log.add_message(a_message("x", session_id=S2), 0, NOON)).behind == 0
        assert (await storage.log.head(S1)).seq == 3
        await storage.log.add_reply(a_reply("1"), None, NOON)
        assert (await storage.log.add_message(a_message("3"), 2, NOON)).behind == 2

    async def test_a_repeated_send_is_answered_however_many_wait(self, storage: Storage) -> None:
        first = await storage.log.add_message(a_message("1", id="c"), 0, NOON)
        again = await storage.log.add_message(a_message("1", id="c"), 0, NOON)
        assert again == Added(message=first.message, duplicate=True)

    async def test_of_racing_sends_as_many_are_stored_as_may_wait(self, storage: Storage) -> None:
        async def send(name: str) -> int:
            try:
                return (await storage.log.add_message(a_message(name), 4, NOON)).message.seq
            except Conflict:
                return 0

        seqs = await at_once(*(partial(send, str(number)) for number in range(20)))
        assert sorted(seqs) == [0] * 15 + [1, 2, 3, 4, 5]

    async def test_a_second_reply_to_a_message_frees_no_second_place(self, storage: Storage) -> None:
        for name in ("1", "2"):
            await storage.log.add_message(a_message(name), PLENTY, NOON)
        await storage.log.add_reply(a_reply("1"), None, NOON)
        await storage.log.add_reply(a_reply("other", in_reply_to=MessageId("m-1")), None, NOON)
        assert (await storage.log.add_message(a_message("3"), PLENTY, NOON)).behind == 1

    async def test_behind_counts_earlier_messages_without_a_reply(self, storage: Storage) -> None:
        for name in ("1", "2", "3"):
            await storage.log.add_message(a_message(name), PLENTY, NOON)
        await storage.log.add_message(a_message("x", session_id=S2), PLENTY, NOON)
        assert [await storage.log.behind(S1, seq) for seq in (1, 2, 3, 4, 2**63)] == [0, 1, 2, 3, 3]
        await storage.log.add_reply(a_reply("2"), None, NOON)
        assert [await storage.log.behind(S1, seq) for seq in (1, 2, 3, 4)] == [0, 1, 1, 2]
        assert await storage.log.behind(BotSessionId("unknown"), 5) == 0

    async def test_what_a_living_node_has_is_not_lost(self, storage: Storage) -> None:
        await storage.leases.take(f"{NODE_LEASE}a", "a", NOON, NOON + SECOND)
        alive = await storage.log.add_message(a_message("1", node="a"), PLENTY, NOON)
        dead = await storage.log.add_message(a_message("2", node="b"), PLENTY, NOON)
        assert await storage.log.lost(NOON, 10) == [dead.message]
        assert await storage.log.lost(NOON + SECOND, 10) == [alive.message, dead.message]
        await storage.log.add_reply(a_reply("2", status=MessageStatus.INTERRUPTED), None, NOON)
        assert await storage.log.lost(NOON, 10) == []


class EndOfSessionContract(Contract):
    """Wants the fixture `storage`."""

    async def test_the_end_takes_the_last_place_once(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        end = await storage.log.add_end(S1, "deleted", NOON + SECOND)
        expected = Message(
            message_id=END,
            session_id=S1,
            seq=2,
            sender=Sender.SYSTEM,
            content="deleted",
            timestamp=NOON + SECOND,
        )
        assert end == Added(message=expected, duplicate=False)
        assert await storage.log.add_end(S1, "expired", NOON + HOUR) == Added(message=expected, duplicate=True)
        assert (await storage.log.after(S1, 1, 10)).messages == [expected]
        assert (await storage.log.head(S1)).seq == 2

    async def test_a_session_without_a_message_can_end(self, storage: Storage) -> None:
        assert (await storage.log.add_end(S1, "deleted", NOON)).message.seq == 1

    async def test_a_greeting_is_a_reply_to_nothing(self, storage: Storage) -> None:
        greeting = NewReply(
            message_id=GREETING, session_id=S1, bot_id=BotId("echo"), in_reply_to=None, content="Welcome"
        )
        added = await storage.log.add_reply(greeting, {"greeted": True}, NOON)
        assert (added.message.seq, added.message.in_reply_to, added.duplicate) == (1, None, False)
        assert (await storage.log.add_reply(greeting, None, NOON)).duplicate is True
        assert await storage.log.lost(NOON, 10) == []


def a_query(**fields: Any) -> SummaryQuery:
    return SummaryQuery(**{"user_id": ADA, "now": NOON, "limit": 10, **fields})


class SummaryContract(Contract):
    """Wants the fixture `storage`."""

    async def open(self, storage: Storage, *ids: str, **fields: Any) -> list[BotSession]:
        sessions = [a_session(id, **fields) for id in ids]
        for session in sessions:
            await storage.bot_sessions.open(session, PLENTY)
        return sessions

    async def test_the_conversation_with_the_newest_activity_comes_first(self, storage: Storage) -> None:
        a, b, c = await self.open(storage, "a", "b", "c")
        said = await storage.log.add_message(a_message("1", session_id=b.id), PLENTY, NOON + SECOND)
        reply = await storage.log.add_reply(a_reply("1", session_id=b.id), None, NOON + 2 * SECOND)
        other = await storage.log.add_message(a_message("2", session_id=a.id), PLENTY, NOON + SECOND)
        assert said.message.seq == 1
        assert await storage.log.summaries(a_query()) == Summaries(
            found=[
                Summary(session=b, active_at=NOON + 2 * SECOND, last=reply.message),
                Summary(session=a, active_at=NOON + SECOND, last=other.message),
                Summary(session=c, active_at=c.created_at, last=None),
            ],
            total=3,
            has_more=False,
        )

    async def test_pages_follow_each_other(self, storage: Storage) -> None:
        await self.open(storage, *"abcde")
        seen: list[str] = []
        after = None
        for has_more in (True, True, False):
            page = await storage.log.summaries(a_query(limit=2, after=after))
            assert (page.total, page.has_more) == (5, has_more)
            seen += [one.session.id for one in page.found]
            after = page.found[-1].active_at, page.found[-1].session.id
        assert seen == list("edcba")

    async def test_only_what_is_asked_for(self, storage: Storage) -> None:
        [a] = await self.open(storage, "a")
        [b] = await self.open(storage, "b", bot_id=BotId("other"))
        await self.open(storage, "c", user_id=UserId("bob"))
        ended = await storage.bot_sessions.end(b.id, NOON)
        await storage.log.add_end(b.id, "deleted", NOON)
        assert ended is not None
        for query, expected in (
            (a_query(), {a.id, b.id}),
            (a_query(is_active=True), {a.id}),
            (a_query(is_active=False), {b.id}),
            (a_query(is_active=False, now=a.expires_at), {a.id, b.id}),
            (a_query(bot_id=BotId("other")), {b.id}),
            (a_query(bot_id=BotId("none")), set()),
            (a_query(bot_id=BotId(LONE_SURROGATE)), set()),
            (a_query(user_id=UserId("nobody")), set()),
            (a_query(limit=0), set()),
        ):
            page = await storage.log.summaries(query)
            assert {one.session.id for one in page.found} == expected
        [summary] = (await storage.log.summaries(a_query(bot_id=BotId("other")))).found
        assert summary == Summary(session=replace(ended), active_at=NOON, last=None)

    async def test_the_end_is_no_last_message(self, storage: Storage) -> None:
        [a] = await self.open(storage, "a")
        said = await storage.log.add_message(a_message("1", session_id=a.id), PLENTY, NOON)
        await storage.log.add_end(a.id, "deleted", NOON + SECOND)
        [summary] = (await storage.log.summaries(a_query())).found
        assert (summary.last, summary.active_at) == (said.message, NOON + SECOND)
