"""The conversation log in memory."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.conversations.model import Added, Head, Message, NewMessage, NewReply, Page, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId, MessageId, new_id


@dataclass(slots=True)
class _Log:
    messages: list[Message] = field(default_factory=list)  # seq n is at n - 1
    by_id: dict[MessageId, Message] = field(default_factory=dict)
    by_client_id: dict[str, Message] = field(default_factory=dict)
    memory: bytes = b"{}"

    def add(self, message: Message) -> Added:
        self.messages.append(message)
        self.by_id[message.message_id] = message
        if message.id is not None:
            self.by_client_id[message.id] = message
        return Added(message=message, duplicate=False)


class MemoryConversationLog:
    """No locks: no method awaits between reading and writing."""

    def __init__(self) -> None:
        self._epoch = new_id()
        self._logs: dict[BotSessionId, _Log] = {}
        self._unanswered: dict[MessageId, Message] = {}  # by the id that the reply will have

    async def add_message(self, message: NewMessage, now: datetime, /) -> Added:
        log = self._logs.setdefault(message.session_id, _Log())
        known = log.by_client_id.get(message.id) if message.id is not None else None
        if known is not None:
            return same(known, message)
        stored = Message(
            message_id=message.message_id,
            session_id=message.session_id,
            seq=len(log.messages) + 1,
            sender=Sender.USER,
            content=message.content,
            timestamp=now,
            user_id=message.user_id,
            reply_id=message.reply_id,
            id=message.id,
            metadata=message.metadata,
        )
        self._unanswered[message.reply_id] = stored
        return log.add(stored)

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        log = self._logs.setdefault(reply.session_id, _Log())
        known = log.by_id.get(reply.message_id)
        if known is not None:
            return Added(message=known, duplicate=True)
        if memory is not None:
            log.memory = msgspec.json.encode(memory)
        self._unanswered.pop(reply.message_id, None)
        stored = Message(
            message_id=reply.message_id,
            session_id=reply.session_id,
            seq=len(log.messages) + 1,
            sender=Sender.BOT,
            content=reply.content,
            timestamp=now,
            status=reply.status,
            bot_id=reply.bot_id,
            in_reply_to=reply.in_reply_to,
            error=reply.error,
            suggestions=reply.suggestions,
        )
        return log.add(stored)

    async def head(self, session_id: BotSessionId, /) -> Head:
        return self._head(session_id)

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        messages = self._messages(session_id)
        found = messages[seq : seq + limit]
        return Page(messages=found, has_more=seq + limit < len(messages), head=self._head(session_id))

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        messages = self._messages(session_id)
        end = len(messages) if seq is None else min(len(messages), max(0, seq - 1))
        start = max(0, end - limit)
        return Page(messages=messages[start:end], has_more=start > 0, head=self._head(session_id))

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        return bisect_left(self._messages(session_id), at, key=lambda message: message.timestamp)

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None:
        log = self._logs.get(session_id)
        return log.by_id.get(message_id) if log else None

    async def unanswered(self, limit: int, /) -> list[Message]:
        return list(self._unanswered.values())[:limit]

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        log = self._logs.get(session_id)
        found: dict[str, Any] = msgspec.json.decode(log.memory) if log else {}
        return found

    def _messages(self, session_id: BotSessionId) -> list[Message]:
        log = self._logs.get(session_id)
        return log.messages if log else []

    def _head(self, session_id: BotSessionId) -> Head:
        return Head(epoch=self._epoch, seq=len(self._messages(session_id)))


def same(known: Message, again: NewMessage) -> Added:
    """The stored message for a repeated send.

    Raises:
        Conflict: its content or metadata is another one.
    """
    if (known.content, known.metadata) != (again.content, again.metadata):
        raise Conflict("This id was used for another message", reason="id_reused")
    return Added(message=known, duplicate=True)
