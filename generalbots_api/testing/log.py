"""The promises of a `ConversationLog`: order, idempotency, pages."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from generalbots_api.conversations.model import Added, Head, Message, NewMessage, Sender
from generalbots_api.errors import Conflict, InvalidRequest
from generalbots_api.ids import BotSessionId, MessageId, UserId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOSTILE, LONE_SURROGATE, NOON, SECOND, Contract, at_once

PLENTY = 1_000_000
S1, S2 = BotSessionId("s1"), BotSessionId("s2")


def a_message(name: str, **fields: Any) -> NewMessage:
    defaults: dict[str, Any] = {
        "message_id": MessageId(f"m-{name}"),
        "reply_id": MessageId(f"r-{name}"),
        "session_id": S1,
        "user_id": UserId("ada"),
        "content": f"Hello {name}",
    }
    return NewMessage(**{**defaults, **fields})


async def fill(storage: Storage, count: int) -> list[Message]:
    """Add so many messages to S1, a second apart."""
    added = [
        await storage.log.add_message(a_message(str(number)), PLENTY, NOON + number * SECOND)
        for number in range(1, count + 1)
    ]
    return [one.message for one in added]


def seqs(messages: list[Message]) -> list[int]:
    return [message.seq for message in messages]


class ConversationLogContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_message_comes_back_as_it_was_added(self, storage: Storage) -> None:
        new = a_message("x", id="c-1", metadata={"a": [1, 2.5, None, "ü\x00"], "b": {"c": True}, "n": 2**63})
        added = await storage.log.add_message(new, PLENTY, NOON)
        expected = Message(
            message_id=new.message_id,
            session_id=S1,
            seq=1,
            sender=Sender.USER,
            content=new.content,
            timestamp=NOON,
            user_id=new.user_id,
            reply_id=new.reply_id,
            id="c-1",
            metadata=new.metadata,
        )
        assert (added.message, added.duplicate, added.behind) == (expected, False, 0)
        assert await storage.log.message(S1, new.message_id) == expected
        assert (await storage.log.after(S1, 0, 10)).messages == [expected]

    async def test_what_the_sender_changes_afterwards_changes_nothing(self, storage: Storage) -> None:
        metadata = {"list": [1]}
        new = a_message("x", metadata=metadata)
        await storage.log.add_message(new, PLENTY, NOON)
        metadata["list"].append(2)
        stored = await storage.log.message(S1, new.message_id)
        assert stored is not None
        assert stored.metadata == {"list": [1]}

    async def test_any_text_but_lone_surrogates_can_be_stored(self, storage: Storage) -> None:
        for id in HOSTILE:
            await storage.log.add_message(a_message("x", session_id=BotSessionId(id), content=id, id=id), PLENTY, NOON)
        for id in HOSTILE:
            page = await storage.log.after(BotSessionId(id), 0, 10)
            assert [one.content for one in page.messages] == [id]
        for wrong in (a_message("y", content=LONE_SURROGATE), a_message("y", metadata={LONE_SURROGATE: 1})):
            with pytest.raises(InvalidRequest):
                await storage.log.add_message(wrong, PLENTY, NOON)
        assert (await storage.log.head(S1)).seq == 0

    async def test_an_unknown_session_is_empty(self, storage: Storage) -> None:
        for unknown in (S1, BotSessionId(LONE_SURROGATE)):
            head = await storage.log.head(unknown)
            assert head.seq == 0
            for page in (await storage.log.after(unknown, 0, 5), await storage.log.before(unknown, None, 5)):
                assert (page.messages, page.has_more, page.head) == ([], False, head)
            assert await storage.log.seq_at(unknown, NOON) == 0
            assert await storage.log.message(unknown, MessageId("m")) is None
            assert await storage.log.memory(unknown) == {}

    async def test_seq_counts_each_session_from_1(self, storage: Storage) -> None:
        await fill(storage, 3)
        added = await storage.log.add_message(a_message("x", session_id=S2), PLENTY, NOON)
        assert added.message.seq == 1
        heads = [await storage.log.head(session_id) for session_id in (S1, S2)]
        assert heads == [Head(epoch=heads[0].epoch, seq=3), Head(epoch=heads[0].epoch, seq=1)]
        assert heads[0].epoch

    async def test_of_50_writers_at_once_each_gets_its_own_seq_and_none_is_left_out(self, storage: Storage) -> None:
        calls = [partial(storage.log.add_message, a_message(str(number)), PLENTY, NOON) for number in range(50)]
        added = await at_once(*calls)
        assert sorted(one.message.seq for one in added) == list(range(1, 51))
        page = await storage.log.after(S1, 0, 100)
        assert seqs(page.messages) == list(range(1, 51))
        assert sorted(page.messages, key=str) == sorted((one.message for one in added), key=str)

    async def test_a_refused_message_leaves_no_hole(self, storage: Storage) -> None:
        async def add(new: NewMessage) -> int:
            try:
                return (await storage.log.add_message(new, PLENTY, NOON)).message.seq
            except (Conflict, InvalidRequest):
                return 0

        wrong = a_message("wrong", content=LONE_SURROGATE)
        taken = a_message("taken", message_id=MessageId("m-1"))
        await fill(storage, 1)
        calls = [partial(add, one) for n in range(10, 20) for one in (wrong, a_message(str(n)), taken)]
        assert sorted(await at_once(*calls)) == [0] * 20 + list(range(2, 12))

    async def test_the_same_id_and_content_give_the_first_answer_again(self, storage: Storage) -> None:
        first = await storage.log.add_message(a_message("1", id="c", metadata={"a": 1, "b": 2}), PLENTY, NOON)
        again = a_message("2", id="c", content="Hello 1", metadata={"b": 2, "a": 1})
        assert await storage.log.add_message(again, PLENTY, NOON + SECOND) == Added(
            message=first.message, duplicate=True
        )
        assert (await storage.log.head(S1)).seq == 1

    async def test_the_same_id_with_another_content_is_a_conflict(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1", id="c", metadata={"a": 1}), PLENTY, NOON)
        for other in (a_message("2", id="c", metadata={"a": 1}), a_message("1", id="c", metadata={"a": True})):
            with pytest.raises(Conflict):
                await storage.log.add_message(other, PLENTY, NOON)
        elsewhere = await storage.log.add_message(a_message("3", id="c", session_id=S2), PLENTY, NOON)
        assert elsewhere.duplicate is False

    async def test_of_racing_sends_with_one_id_one_is_stored(self, storage: Storage) -> None:
        calls = [
            partial(storage.log.add_message, a_message(str(number), id="c", content="same"), PLENTY, NOON)
            for number in range(20)
        ]
        added = await at_once(*calls)
        assert sorted(one.duplicate for one in added) == [False] + [True] * 19
        assert len({one.message.message_id for one in added}) == 1
        assert (await storage.log.head(S1)).seq == 1

    async def test_after_gives_the_first_ones_past_a_seq(self, storage: Storage) -> None:
        messages = await fill(storage, 5)
        head = await storage.log.head(S1)
        for seq, limit, expected, has_more in (
            (0, 2, messages[:2], True),
            (0, 5, messages, False),
            (3, 2, messages[3:], False),
            (3, 1, messages[3:4], True),
            (5, 10, [], False),
            (99, 10, [], False),
            (2**63, 10, [], False),
            (-5, 2, messages[:2], True),
            (0, 2**63, messages, False),
            (0, 0, [], True),
        ):
            page = await storage.log.after(S1, seq, limit)
            assert (page.messages, page.has_more, page.head) == (expected, has_more, head), (seq, limit)

    async def test_before_gives_the_last_ones_in_order(self, storage: Storage) -> None:
        messages = await fill(storage, 5)
        head = await storage.log.head(S1)
        for seq, limit, expected, has_more in (
            (None, 2, messages[3:], True),
            (None, 5, messages, False),
            (None, 99, messages, False),
            (4, 2, messages[1:3], True),
            (3, 2, messages[:2], False),
            (1, 5, [], False),
            (0, 5, [], False),
            (-1, 5, [], False),
            (2**63, 2, messages[3:], True),
            (None, 0, [], True),
        ):
            page = await storage.log.before(S1, seq, limit)
            assert (page.messages, page.has_more, page.head) == (expected, has_more, head), (seq, limit)

    async def test_seq_at_is_that_of_the_last_message_before_a_time(self, storage: Storage) -> None:
        await fill(storage, 5)
        await storage.log.add_message(a_message("twin"), PLENTY, NOON + 5 * SECOND)
        for at, seq in ((0, 0), (1, 0), (1.5, 1), (2, 1), (5, 4), (5.5, 6), (99, 6)):
            assert await storage.log.seq_at(S1, NOON + at * SECOND) == seq, at

    async def test_a_clock_that_goes_back_takes_no_message_back_in_time(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        added = await storage.log.add_message(a_message("2"), PLENTY, NOON - SECOND)
        assert added.message.timestamp == NOON
        assert await storage.log.message(S1, added.message.message_id) == added.message
        elsewhere = await storage.log.add_message(a_message("3", session_id=S2), PLENTY, NOON - SECOND)
        assert elsewhere.message.timestamp == NOON - SECOND

    async def test_a_message_is_found_in_its_own_session_only(self, storage: Storage) -> None:
        [message] = await fill(storage, 1)
        assert await storage.log.message(S1, message.message_id) == message
        assert await storage.log.message(S2, message.message_id) is None

    async def test_a_message_is_found_by_the_clients_own_id(self, storage: Storage) -> None:
        added = await storage.log.add_message(a_message("1", id="c"), PLENTY, NOON)
        await storage.log.add_message(a_message("2", id="d"), PLENTY, NOON)
        assert await storage.log.by_client_id(S1, "c") == added.message
        assert await storage.log.by_client_id(S1, "e") is None
        assert await storage.log.by_client_id(S2, "c") is None
        assert await storage.log.by_client_id(S1, LONE_SURROGATE) is None
