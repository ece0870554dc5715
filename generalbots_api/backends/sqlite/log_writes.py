"""What adds to the conversation log; runs in the writer's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

from generalbots_api.backends.sqlite.message_rows import COLUMNS, INSERT, message_of, row_of
from generalbots_api.backends.sqlite.values import canonical, instant
from generalbots_api.conversations.model import Added, Message, NewMessage, NewReply, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

_PLACE = (
    "INSERT INTO conversations (session_id, seq, last_at) VALUES (?, 1, ?)"
    " ON CONFLICT (session_id) DO UPDATE SET seq = seq + 1, last_at = max(last_at, excluded.last_at)"
    " RETURNING n, seq, last_at"
)
_OF_SESSION = "conversation = (SELECT n FROM conversations WHERE session_id = ?)"
BY_ID = f"SELECT {COLUMNS} FROM messages WHERE {_OF_SESSION} AND message_id = ?"  # noqa: S608 # constants only
_BY_CLIENT_ID = f"SELECT {COLUMNS} FROM messages WHERE {_OF_SESSION} AND client_id = ?"  # noqa: S608
_ANSWER = "UPDATE messages SET is_answered = 1 WHERE conversation = ? AND message_id = ?"
_REMEMBER = (
    "INSERT INTO memories (conversation, value) VALUES (?, ?)"
    " ON CONFLICT (conversation) DO UPDATE SET value = excluded.value"
)


def add_message(connection: sqlite3.Connection, message: NewMessage, now: int) -> Added:
    """`now` is in microseconds.

    Raises:
        Conflict: the client's `id` was used with other content.
    """
    if message.id is not None:
        rows = connection.execute(_BY_CLIENT_ID, (message.session_id, message.id)).fetchall()
        if rows:
            return same(message_of(message.session_id, rows[0]), message)
    conversation, seq, timestamp = place(connection, message.session_id, now)
    stored = Message(
        message_id=message.message_id,
        session_id=message.session_id,
        seq=seq,
        sender=Sender.USER,
        content=message.content,
        timestamp=instant(timestamp),
        user_id=message.user_id,
        reply_id=message.reply_id,
        id=message.id,
        metadata=message.metadata,
    )
    connection.execute(INSERT, row_of(stored, timestamp, conversation))
    return Added(message=stored, duplicate=False)


def add_reply(connection: sqlite3.Connection, reply: NewReply, memory: str | None, now: int) -> Added:
    """`memory` is JSON; `now` is in microseconds."""
    rows = connection.execute(BY_ID, (reply.session_id, reply.message_id)).fetchall()
    if rows:
        return Added(message=message_of(reply.session_id, rows[0]), duplicate=True)
    conversation, seq, timestamp = place(connection, reply.session_id, now)
    stored = Message(
        message_id=reply.message_id,
        session_id=reply.session_id,
        seq=seq,
        sender=Sender.BOT,
        content=reply.content,
        timestamp=instant(timestamp),
        status=reply.status,
        bot_id=reply.bot_id,
        in_reply_to=reply.in_reply_to,
        error=reply.error,
        suggestions=reply.suggestions,
    )
    connection.execute(INSERT, row_of(stored, timestamp, conversation))
    connection.execute(_ANSWER, (conversation, reply.in_reply_to))
    if memory is not None:
        connection.execute(_REMEMBER, (conversation, memory))
    return Added(message=stored, duplicate=False)


def place(connection: sqlite3.Connection, session_id: BotSessionId, now: int) -> tuple[Any, ...]:
    """The log's key, and the `seq` and the time of its next message; taken back if the job fails."""
    [row] = connection.execute(_PLACE, (session_id, now)).fetchall()
    found: tuple[Any, ...] = row
    return found


def same(known: Message, again: NewMessage) -> Added:
    """The stored message for a repeated send.

    Raises:
        Conflict: its content or metadata is another one.
    """
    if known.content != again.content or canonical(known.metadata) != canonical(again.metadata):
        raise Conflict("This id was used for another message", reason="id_reused")
    return Added(message=known, duplicate=True)
