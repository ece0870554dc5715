"""A message as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generalbots_api.backends.rows.values import as_json, canonical_json, from_json, instant
from generalbots_api.conversations.model import Added, Message, MessageStatus, NewMessage, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

COLUMNS = (
    "seq, message_id, sender, content, timestamp, status, user_id, bot_id, in_reply_to, reply_id, client_id,"
    " error, suggestions, metadata"
)


def row_of(message: Message, timestamp: int) -> tuple[Any, ...]:
    """`timestamp` is the message's own, in microseconds."""
    return (
        message.seq,
        message.message_id,
        message.sender.value,
        message.content,
        timestamp,
        message.status.value,
        message.user_id,
        message.bot_id,
        message.in_reply_to,
        message.reply_id,
        message.id,
        as_json(message.error) if message.error is not None else None,
        as_json(message.suggestions) if message.suggestions else None,
        as_json(message.metadata) if message.metadata else None,
    )


def message_of(session_id: BotSessionId, row: Iterable[Any]) -> Message:
    (
        seq,
        message_id,
        sender,
        content,
        timestamp,
        status,
        user_id,
        bot_id,
        in_reply_to,
        reply_id,
        client_id,
        error,
        suggestions,
        metadata,
    ) = row
    return Message(
        message_id=message_id,
        session_id=session_id,
        seq=seq,
        sender=Sender(sender),
        content=content,
        timestamp=instant(timestamp),
        status=MessageStatus(status),
        user_id=user_id,
        bot_id=bot_id,
        in_reply_to=in_reply_to,
        reply_id=reply_id,
        id=client_id,
        error=from_json(error) if error is not None else None,
        suggestions=tuple(from_json(suggestions)) if suggestions is not None else (),
        metadata=from_json(metadata) if metadata is not None else {},
    )


def same(known: Message, again: NewMessage) -> Added:
    """The stored message for a repeated send.

    Raises:
        Conflict: its content or metadata is another one.
    """
    if known.content != again.content or canonical_json(known.metadata) != canonical_json(again.metadata):
        raise Conflict("This id was used for another message", reason="id_reused")
    return Added(message=known, duplicate=True)
