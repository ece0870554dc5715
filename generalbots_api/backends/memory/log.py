"""The conversation log in memory."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.backends.memory.guards import check_new, check_room, check_text
from generalbots_api.backends.memory.leases import MemoryLeaseStore
from generalbots_api.backends.memory.sessions import MemoryBotSessionStore
from generalbots_api.backends.memory.summaries import summaries
from generalbots_api.conversations.model import (
    END,
    NODE_LEASE,
    Added,
    Head,
    Message,
    NewMessage,
    NewReply,
    Page,
    Sender,
    Summaries,
    SummaryQuery,
)
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId, MessageId, new_id

_copy = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class _Log:
    messages: list[Message] = field(default_factory=list)  # seq n is at n - 1
    by_id: dict[MessageId, Message] = field(default_factory=dict)
    by_client_id: dict[str, Message] = field(default_factory=dict)
    waiting: dict[MessageId, int] = field(default_factory=dict)  # users' messages without a reply, and their seq
    memory: bytes = b"{}"

    def next(self, now: datetime) -> tuple[int, datetime]:
        """The `seq` and the `timestamp` of the next message."""
        last = self.messages[-1].timestamp if self.messages else now
        return len(self.messages) + 1, max(now, last)


class MemoryConversationLog:
    """No locks: no method awaits between reading and writing.

    `most` bounds the messages, and `most_chars` the text in them.
    """

    def __init__(self, most: int, most_chars: int, leases: MemoryLeaseStore, sessions: MemoryBotSessionStore) -> None:
        self._most, self._most_chars = most, most_chars
        self._count = self._chars = 0
        self._epoch = new_id()
        self._logs: dict[BotSessionId, _Log] = {}
        self._leases, self._sessions = leases, sessions
        self._unanswered: dict[tuple[BotSessionId, MessageId], tuple[str, Message]] = {}  # with the node's id

    async def add_message(self, message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        check_text(message)
        log = self._logs.get(message.session_id) or _Log()
        known = log.by_client_id.get(message.id) if message.id is not None else None
        if known is not None:
            return same(known, message)
        if (behind := len(log.waiting)) > most_waiting:
            raise Conflict("The bot is still answering earlier messages", reason="busy")
        check_new(message.message_id in log.by_id)
        seq, timestamp = log.next(now)
        stored = Message(
            message_id=message.message_id,
            session_id=message.session_id,
            seq=seq,
            sender=Sender.USER,
            content=message.content,
            timestamp=timestamp,
            user_id=message.user_id,
            reply_id=message.reply_id,
            id=message.id,
            metadata=message.metadata,
        )
        added = self._add(log, stored)
        log.waiting[stored.message_id] = seq
        self._unanswered[stored.session_id, stored.message_id] = message.node, added.message
        return Added(message=added.message, duplicate=False, behind=behind)

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        check_text((reply, memory))
        log = self._logs.get(reply.session_id) or _Log()
        known = log.by_id.get(reply.message_id)
        if known is not None:
            return Added(message=known, duplicate=True)
        seq, timestamp = log.next(now)
        stored = Message(
            message_id=reply.message_id,
            session_id=reply.session_id,
            seq=seq,
            sender=Sender.BOT,
            content=reply.content,
            timestamp=timestamp,
            status=reply.status,
            bot_id=reply.bot_id,
            in_reply_to=reply.in_reply_to,
            error=reply.error,
            suggestions=reply.suggestions,
        )
        added = self._add(log, stored)
        if memory is not None:
            log.memory = _encode(memory)
        if reply.in_reply_to is not None:
            log.waiting.pop(reply.in_reply_to, None)
            self._unanswered.pop((reply.session_id, reply.in_reply_to), None)
        return added

    async def add_end(self, session_id: BotSessionId, reason: str, now: datetime, /) -> Added:
        check_text((session_id, reason))
        log = self._logs.get(session_id) or _Log()
        if END in log.by_id:
            return Added(message=log.by_id[END], duplicate=True)
        seq, timestamp = log.next(now)
        end = Message(
            message_id=END, session_id=session_id, seq=seq, sender=Sender.SYSTEM, content=reason, timestamp=timestamp
        )
        return self._add(log, end)

    async def head(self, session_id: BotSessionId, /) -> Head:
        return self._head(session_id)

    async def after(self, session_id: BotSessionId, seq: int, limit: int, /) -> Page:
        messages, start = self._messages(session_id), max(0, seq)
        end = start + max(0, limit)
        return Page(messages=messages[start:end], has_more=end < len(messages), head=self._head(session_id))

    async def before(self, session_id: BotSessionId, seq: int | None, limit: int, /) -> Page:
        messages = self._messages(session_id)
        end = len(messages) if seq is None else min(len(messages), max(0, seq - 1))
        start = max(0, end - max(0, limit))
        return Page(messages=messages[start:end], has_more=start > 0, head=self._head(session_id))

    async def seq_at(self, session_id: BotSessionId, at: datetime, /) -> int:
        return bisect_left(self._messages(session_id), at, key=lambda message: message.timestamp)

    async def message(self, session_id: BotSessionId, message_id: MessageId, /) -> Message | None:
        log = self._logs.get(session_id)
        return log.by_id.get(message_id) if log else None

    async def by_client_id(self, session_id: BotSessionId, id: str, /) -> Message | None:
        log = self._logs.get(session_id)
        return log.by_client_id.get(id) if log else None

    async def lost(self, now: datetime, limit: int, /) -> list[Message]:
        waiting = self._unanswered.values()
        lost = [message for node, message in waiting if not self._leases.lasts(NODE_LEASE + node, now)]
        return lost[: max(0, limit)]

    async def behind(self, session_id: BotSessionId, seq: int, /) -> int:
        log = self._logs.get(session_id)
        return sum(place < seq for place in log.waiting.values()) if log else 0

    async def summaries(self, query: SummaryQuery, /) -> Summaries:
        return summaries(self._sessions.of_user(query.user_id), self._messages, query)

    async def memory(self, session_id: BotSessionId, /) -> dict[str, Any]:
        log = self._logs.get(session_id)
        found: dict[str, Any] = msgspec.json.decode(log.memory) if log else {}
        return found

    def _add(self, log: _Log, message: Message) -> Added:
        """The message as it is read back: a dict that its sender changes later does not change it."""
        check_room(self._count, self._most)
        check_room(self._chars + len(message.content), self._most_chars + 1)
        message = _copy(_encode(message))
        self._count += 1
        self._chars += len(message.content)
        self._logs[message.session_id] = log
        log.messages.append(message)
        log.by_id[message.message_id] = message
        if message.id is not None:
            log.by_client_id[message.id] = message
        return Added(message=message, duplicate=False)

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
    if known.content != again.content or _canonical(known.metadata) != _canonical(again.metadata):
        raise Conflict("This id was used for another message", reason="id_reused")
    return Added(message=known, duplicate=True)
