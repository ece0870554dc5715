"""What a reader of the client is shown, and what must hold of it at each event and in the end."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from generalbots_api.client import (
    Conversation,
    Event,
    Gap,
    Message,
    NewMessage,
    ReplyDelta,
    ReplySnapshot,
    ReplyStarted,
    Sent,
)
from tests.proof.talker import answer_to


@dataclass
class Shown:
    """`texts` are the replies as the deltas and snapshots told them."""

    messages: list[Message] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    after: int = 0
    epoch: str | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, chat: Conversation, count: float = math.inf) -> None:
        """Take events until so many messages were shown."""
        while len(self.messages) < count:
            self.take(await anext(chat))
            async with self.changed:
                self.changed.notify_all()

    async def reached(self, count: int, timeout: float) -> None:
        """Return when so many messages were shown; `timeout` in seconds."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(lambda: len(self.messages) >= count)

    async def more(self) -> None:
        """Return when more of a reply was shown than now."""
        before = self.size
        async with self.changed:
            await self.changed.wait_for(lambda: self.size > before)

    @property
    def size(self) -> int:
        return sum(map(len, self.texts.values()))

    def take(self, event: Event) -> None:
        match event:
            case NewMessage(message=message):
                assert message.seq == self.after + len(self.messages) + 1, "each once, in order"
                self.messages.append(message)
                if message.status != "interrupted":
                    assert message.content.startswith(self.texts.get(message.message_id, "")), "what was shown stands"
            case ReplyStarted(reply_id=reply_id):
                assert not self.is_done(reply_id)
                self.texts[reply_id] = ""  # again, on a node that had not heard of it yet: it is told anew
            case ReplyDelta(reply_id=reply_id, content=content):
                assert not self.is_done(reply_id)
                self.texts[reply_id] += content
            case ReplySnapshot(reply_id=reply_id, content=content):
                assert not self.is_done(reply_id)
                assert content.startswith(self.texts[reply_id]), "a snapshot takes nothing back"
                self.texts[reply_id] = content
            case Gap():
                raise AssertionError("the log is another one")
            case _:
                pass

    def is_done(self, reply_id: str) -> bool:
        return any(message.message_id == reply_id for message in self.messages)


def check_log(stored: list[Message]) -> None:
    """Gapless; each of the user's messages once, with exactly one reply; a completed reply is all that the bot said."""
    assert [message.seq for message in stored] == list(range(1, len(stored) + 1))
    asked = [message for message in stored if message.sender == "user"]
    answers = [message for message in stored if message.sender == "bot"]
    assert len({message.id for message in asked}) == len(asked), "a send that was repeated is stored once"
    assert sorted(answer.in_reply_to or "" for answer in answers) == sorted(message.message_id for message in asked)
    by_question = {answer.in_reply_to: answer for answer in answers}
    for message in asked:
        answer = by_question[message.message_id]
        assert answer.message_id == message.reply_id
        assert answer.seq > message.seq
        whole = answer_to(message.content)
        assert answer.content == whole if answer.status == "completed" else whole.startswith(answer.content)


def check_acknowledged(sent: list[tuple[str, Sent]], stored: list[Message]) -> None:
    """What was acknowledged, by content, is where the acknowledgement says."""
    for content, answer in sent:
        message = stored[answer.seq - 1]
        assert (message.content, message.message_id, message.reply_id) == (content, answer.message_id, answer.reply_id)


def without_times(messages: list[Message]) -> list[tuple[object, ...]]:
    """An acknowledgement does not tell the time, nor whose message it was."""
    return [
        (one.seq, one.message_id, one.sender, one.content, one.status, one.in_reply_to, one.reply_id, one.id)
        for one in messages
    ]
