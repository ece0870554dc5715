"""What adds to the conversation log; runs in the writer's transaction."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from generalbots_api.backends.sqlite.message_rows import COLUMNS, INSERT, message_of, row_of
from generalbots_api.backends.sqlite.values import canonical, instant
from generalbots_api.conversations.model import Added, Message, NewMessage, NewReply, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

_LOOK = (
    "SELECT c.n, c.seq, c.last_at, m.seq FROM conversations c"
    " LEFT JOIN messages m ON m.conversation = c.n AND m.{column} = ? WHERE c.session_id = ?"
)
_LOOK_BY_ID = _LOOK.format(column="message_id")
_LOOK_BY_CLIENT_ID = _LOOK.format(column="client_id")
_KNOWN = f"SELECT {COLUMNS} FROM messages WHERE conversation = ? AND seq = ?"  # noqa: S608 # constants only
_BEGIN = "INSERT INTO conversations (session_id, seq, last_at) VALUES (?, 1, ?)"
_COUNT = "UPDATE conversations SET seq = ?, last_at = ? WHERE n = ?"
_ANSWER = "UPDATE messages SET is_answered = 1 WHERE conversation = ? AND message_id = ?"
_REMEMBER = (
    "INSERT INTO memories (conversation, value) VALUES (?, ?)"
    " ON CONFLICT (conversation) DO UPDATE SET value = excluded.value"
)


class Place(NamedTuple):
    """Where a message goes in the log of its session, or where it is already."""

    conversation: int  # the log's key
    seq: int
    timestamp: int  # microseconds
    known: Message | None = None


def add_message(connection: sqlite3.Connection, message: NewMessage, now: int) -> Added:
    """`now` is in microseconds.

    Raises:
        Conflict: the client's `id` was used with other content.
    """
    place = find_place(connection, _LOOK_BY_CLIENT_ID, message.id, message.session_id, now)
    if place.known is not None:
        return same(place.known, message)
    stored = Message(
        message_id=message.message_id,
        session_id=message.session_id,
        seq=place.seq,
        sender=Sender.USER,
        content=message.content,
        timestamp=instant(place.timestamp),
        user_id=message.user_id,
        reply_id=message.reply_id,
        id=message.id,
        metadata=message.metadata,
    )
    connection.execute(INSERT, row_of(stored, place.timestamp, place.conversation))
    return Added(message=stored, duplicate=False)


def add_reply(connection: sqlite3.Connection, reply: NewReply, memory: str | None, now: int) -> Added:
    """`memory` is JSON; `now` is in microseconds."""
    place = find_place(connection, _LOOK_BY_ID, reply.message_id, reply.session_id, now)
    if place.known is not None:
        return Added(message=place.known, duplicate=True)
    stored = Message(
        message_id=reply.message_id,
        session_id=reply.session_id,
        seq=place.seq,
        sender=Sender.BOT,
        content=reply.content,
        timestamp=instant(place.timestamp),
        status=reply.status,
        bot_id=reply.bot_id,
        in_reply_to=reply.in_reply_to,
        error=reply.error,
        suggestions=reply.suggestions,
    )
    connection.execute(INSERT, row_of(stored, place.timestamp, place.conversation))
    connection.execute(_ANSWER, (place.conversation, reply.in_reply_to))
    if memory is not None:
        connection.execute(_REMEMBER, (place.conversation, memory))
    return Added(message=stored, duplicate=False)


def find_place(connection: sqlite3.Connection, look: str, id: str | None, session_id: BotSessionId, now: int) -> Place:
    """Take the next `seq`, unless the message that `look` finds by `id` is there; given back if the job fails."""
    rows = connection.execute(look, (id, session_id)).fetchall()
    if not rows:
        conversation = connection.execute(_BEGIN, (session_id, now)).lastrowid
        return Place(conversation or 0, 1, now)
    conversation, seq, last_at, known = rows[0]
    if known is not None:
        [row] = connection.execute(_KNOWN, (conversation, known)).fetchall()
        return Place(conversation, known, last_at, message_of(session_id, row))
    timestamp = max(now, last_at)
    connection.execute(_COUNT, (seq + 1, timestamp, conversation))
    return Place(conversation, seq + 1, timestamp)


def same(known: Message, again: NewMessage) -> Added:
    """The stored message for a repeated send.

    Raises:
        Conflict: its content or metadata is another one.
    """
    if known.content != again.content or canonical(known.metadata) != canonical(again.metadata):
        raise Conflict("This id was used for another message", reason="id_reused")
    return Added(message=known, duplicate=True)
