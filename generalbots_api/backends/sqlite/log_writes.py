"""What adds to the conversation log; runs in the writer's transaction."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from generalbots_api.backends.rows.messages import COLUMNS, message_of, row_of, same
from generalbots_api.backends.rows.values import instant
from generalbots_api.conversations.model import END, Added, Message, NewMessage, NewReply, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

_LOOK = (
    "SELECT c.n, c.seq, c.last_at, c.waiting, m.seq FROM conversations c"
    " LEFT JOIN messages m ON m.conversation = c.n AND m.{column} = ? WHERE c.session_id = ?"
)
_LOOK_BY_ID = _LOOK.format(column="message_id")
_LOOK_BY_CLIENT_ID = _LOOK.format(column="client_id")
_KNOWN = f"SELECT {COLUMNS} FROM messages WHERE conversation = ? AND seq = ?"  # noqa: S608 # constants only
_BEGIN = "INSERT INTO conversations (session_id, seq, last_at, waiting) VALUES (?, 1, ?, ?)"
_COUNT = "UPDATE conversations SET seq = ?, last_at = ?, waiting = ? WHERE n = ?"
_INSERT = (
    f"INSERT INTO messages ({COLUMNS}, conversation, is_answered, node)"  # noqa: S608
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ANSWER = "UPDATE messages SET is_answered = 1 WHERE conversation = ? AND message_id = ? AND is_answered = 0"
_REMEMBER = (
    "INSERT INTO memories (conversation, value) VALUES (?, ?)"
    " ON CONFLICT (conversation) DO UPDATE SET value = excluded.value"
)


class Place(NamedTuple):
    """Where a log stands: its key, its newest message and how many wait; and a message that was looked for in it."""

    conversation: int  # the log's key; 0: there is none yet
    seq: int
    last_at: int  # microseconds
    waiting: int
    known: Message | None


def add_message(connection: sqlite3.Connection, message: NewMessage, most_waiting: int, now: int) -> Added:
    """`now` is in microseconds.

    Raises:
        Conflict: the client's `id` was used with other content, or too many wait.
    """
    place = find_place(connection, _LOOK_BY_CLIENT_ID, message.id, message.session_id)
    if place.known is not None:
        return same(place.known, message)
    if place.waiting > most_waiting:
        raise Conflict("The bot is still answering earlier messages", reason="busy")
    timestamp = max(now, place.last_at)
    conversation = count(connection, place, message.session_id, timestamp, place.waiting + 1)
    stored = Message(
        message_id=message.message_id,
        session_id=message.session_id,
        seq=place.seq + 1,
        sender=Sender.USER,
        content=message.content,
        timestamp=instant(timestamp),
        user_id=message.user_id,
        reply_id=message.reply_id,
        id=message.id,
        metadata=message.metadata,
    )
    connection.execute(_INSERT, (*row_of(stored, timestamp), conversation, False, message.node))
    return Added(message=stored, duplicate=False, behind=place.waiting)


def add_reply(connection: sqlite3.Connection, reply: NewReply, memory: str | None, now: int) -> Added:
    """`memory` is JSON; `now` is in microseconds."""
    place = find_place(connection, _LOOK_BY_ID, reply.message_id, reply.session_id)
    if place.known is not None:
        return Added(message=place.known, duplicate=True)
    waiting, timestamp = place.waiting, max(now, place.last_at)
    if reply.in_reply_to is not None:
        waiting -= connection.execute(_ANSWER, (place.conversation, reply.in_reply_to)).rowcount
    conversation = count(connection, place, reply.session_id, timestamp, waiting)
    stored = Message(
        message_id=reply.message_id,
        session_id=reply.session_id,
        seq=place.seq + 1,
        sender=Sender.BOT,
        content=reply.content,
        timestamp=instant(timestamp),
        status=reply.status,
        bot_id=reply.bot_id,
        in_reply_to=reply.in_reply_to,
        error=reply.error,
        suggestions=reply.suggestions,
    )
    connection.execute(_INSERT, (*row_of(stored, timestamp), conversation, True, ""))
    if memory is not None:
        connection.execute(_REMEMBER, (conversation, memory))
    return Added(message=stored, duplicate=False)


def add_end(connection: sqlite3.Connection, session_id: BotSessionId, reason: str, now: int) -> Added:
    """`now` is in microseconds."""
    place = find_place(connection, _LOOK_BY_ID, END, session_id)
    if place.known is not None:
        return Added(message=place.known, duplicate=True)
    timestamp = max(now, place.last_at)
    conversation = count(connection, place, session_id, timestamp, place.waiting)
    end = Message(
        message_id=END,
        session_id=session_id,
        seq=place.seq + 1,
        sender=Sender.SYSTEM,
        content=reason,
        timestamp=instant(timestamp),
    )
    connection.execute(_INSERT, (*row_of(end, timestamp), conversation, True, ""))
    return Added(message=end, duplicate=False)


def find_place(connection: sqlite3.Connection, look: str, id: str | None, session_id: BotSessionId) -> Place:
    """Where the log of a session stands, and the message that `look` finds in it by `id`."""
    rows = connection.execute(look, (id, session_id)).fetchall()
    if not rows:
        return Place(0, 0, 0, 0, None)
    conversation, seq, last_at, waiting, known = rows[0]
    if known is None:
        return Place(conversation, seq, last_at, waiting, None)
    [row] = connection.execute(_KNOWN, (conversation, known)).fetchall()
    return Place(conversation, seq, last_at, waiting, message_of(session_id, row))


def count(connection: sqlite3.Connection, place: Place, session_id: BotSessionId, timestamp: int, waiting: int) -> int:
    """Take the next `seq`, given back if the job fails; the log's key."""
    if place.conversation == 0:
        return connection.execute(_BEGIN, (session_id, timestamp, waiting)).lastrowid or 0
    connection.execute(_COUNT, (place.seq + 1, timestamp, waiting, place.conversation))
    return place.conversation
