"""The promises of a `ConversationLog` about replies, and what waits for one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from generalbots_api.conversations.model import Added, Message, MessageStatus, NewReply, Sender
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import BotId, MessageId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import LONE_SURROGATE, NOON, SECOND, Contract, at_once
from generalbots_api.testing.log import PLENTY, S1, S2, a_message


def a_reply(name: str, **fields: Any) -> NewReply:
    defaults: dict[str, Any] = {
        "message_id": MessageId(f"r-{name}"),
        "session_id": S1,
        "bot_id": BotId("echo"),
        "in_reply_to": MessageId(f"m-{name}"),
        "content": f"Echo {name}",
    }
    return NewReply(**{**defaults, **fields})


class ReplyContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_reply_comes_back_as_it_was_added(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        new = a_reply(
            "1",
            status=MessageStatus.FAILED,
            error={"code": "SERVER_ERROR", "details": {"reason": "timeout"}},
            suggestions=("Yes", "No ü"),
        )
        added = await storage.log.add_reply(new, None, NOON + SECOND)
        expected = Message(
            message_id=new.message_id,
            session_id=S1,
            seq=2,
            sender=Sender.BOT,
            content=new.content,
            timestamp=NOON + SECOND,
            status=MessageStatus.FAILED,
            bot_id=new.bot_id,
            in_reply_to=new.in_reply_to,
            error=new.error,
            suggestions=new.suggestions,
        )
        assert added == Added(message=expected, duplicate=False)
        assert await storage.log.message(S1, new.message_id) == expected
        assert (await storage.log.after(S1, 1, 10)).messages == [expected]

    async def test_a_reply_that_is_there_already_changes_nothing(self, storage: Storage) -> None:
        first = await storage.log.add_reply(a_reply("1"), {"count": 1}, NOON)
        again = await storage.log.add_reply(a_reply("1", content="Other"), {"count": 2}, NOON + SECOND)
        assert again == Added(message=first.message, duplicate=True)
        assert await storage.log.memory(S1) == {"count": 1}
        assert (await storage.log.head(S1)).seq == 1

    async def test_of_racing_replies_one_is_stored(self, storage: Storage) -> None:
        added = await at_once(*[partial(storage.log.add_reply, a_reply("1"), None, NOON)] * 20)
        assert sorted(one.duplicate for one in added) == [False] + [True] * 19
        assert (await storage.log.head(S1)).seq == 1

    async def test_memory_is_stored_with_the_reply_and_replaced_as_a_whole(self, storage: Storage) -> None:
        assert await storage.log.memory(S1) == {}
        await storage.log.add_reply(a_reply("1"), {"a": [1, {"b": None}], "ü\x00": "x"}, NOON)
        assert await storage.log.memory(S1) == {"a": [1, {"b": None}], "ü\x00": "x"}
        await storage.log.add_reply(a_reply("2"), None, NOON)
        await storage.log.add_reply(a_reply("3"), {"c": 2}, NOON)
        assert await storage.log.memory(S1) == {"c": 2}
        assert await storage.log.memory(S2) == {}

    async def test_no_message_denies_a_memory_that_there_is(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        await storage.log.add_reply(a_reply("1"), {"a": 1}, NOON)
        for id in ("2", "3"):
            assert (await storage.log.add_message(a_message(id), PLENTY, NOON)).remembers

    async def test_memory_is_not_shared_with_who_reads_it(self, storage: Storage) -> None:
        await storage.log.add_reply(a_reply("1"), {"list": []}, NOON)
        (await storage.log.memory(S1))["list"].append(1)
        assert await storage.log.memory(S1) == {"list": []}

    async def test_a_refused_reply_stores_neither_text_nor_memory(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        with pytest.raises(InvalidRequest):
            await storage.log.add_reply(a_reply("1", content=LONE_SURROGATE), {"a": 1}, NOON)
        assert await storage.log.memory(S1) == {}
        assert (await storage.log.head(S1)).seq == 1
        assert len(await storage.log.lost(NOON, 10)) == 1

    async def test_unanswered_messages_come_oldest_first_and_go_with_their_reply(self, storage: Storage) -> None:
        assert await storage.log.lost(NOON, 10) == []
        added = [
            await storage.log.add_message(a_message(name, session_id=session_id), PLENTY, NOON)
            for name, session_id in (("3", S2), ("1", S1), ("2", S2))
        ]
        messages = [one.message for one in added]
        assert await storage.log.lost(NOON, 10) == messages
        assert await storage.log.lost(NOON, 2) == messages[:2]
        await storage.log.add_reply(a_reply("1"), None, NOON)
        assert await storage.log.lost(NOON, 10) == [messages[0], messages[2]]
        await storage.log.add_reply(a_reply("2", status=MessageStatus.CANCELLED, session_id=S2), None, NOON)
        await storage.log.add_reply(a_reply("3", session_id=S2), None, NOON)
        assert await storage.log.lost(NOON, 10) == []

    async def test_a_repeated_send_does_not_open_an_answered_message_again(self, storage: Storage) -> None:
        await storage.log.add_message(a_message("1", id="c"), PLENTY, NOON)
        await storage.log.add_reply(a_reply("1"), None, NOON)
        assert (await storage.log.add_message(a_message("1", id="c"), PLENTY, NOON)).duplicate is True
        assert await storage.log.lost(NOON, 10) == []

    async def test_replies_and_messages_at_once_share_one_order(self, storage: Storage) -> None:
        async def turn(name: str) -> list[int]:
            message = await storage.log.add_message(a_message(name), PLENTY, NOON)
            reply = await storage.log.add_reply(a_reply(name), {"last": name}, NOON)
            return [message.message.seq, reply.message.seq]

        turns = await at_once(*(partial(turn, str(number)) for number in range(30)))
        assert sorted(seq for one in turns for seq in one) == list(range(1, 61))
        assert all(message < reply for message, reply in turns)
        assert await storage.log.lost(NOON, 10) == []
