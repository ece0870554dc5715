"""What adds to the conversation log; runs in the writer's transaction."""

from __future__ import annotations

import sqlite3

from generalbots_api.backends.rows.messages import COLUMNS, message_of, row_of, same
from generalbots_api.backends.rows.values import instant
from generalbots_api.backends.sqlite.places import Place, Places
from generalbots_api.conversations.model import END, Added, Message, NewMessage, NewReply, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

_KNOWN = f"SELECT {COLUMNS} FROM messages WHERE conversation = ? AND {{column}} = ?"  # noqa: S608 # constants only
_BY_ID = _KNOWN.format(column="message_id")
_BY_CLIENT_ID = _KNOWN.format(column="client_id")
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


def add_message(
    connection: sqlite3.Connection, places: Places, message: NewMessage, most_waiting: int, now: int
) -> Added:
    """`now` is in microseconds.

    Raises:
        Conflict: the client's `id` was used with other content, or too many wait.
    """
    place = places.find(connection, message.session_id)
    if place.waiting > most_waiting:
        known = find_message(connection, _BY_CLIENT_ID, place, message.session_id, message.id)
        if known is None:
            raise Conflict("The bot is still answering earlier messages", reason="busy")
        return same(known, message)
    timestamp = max(now, place.last_at)
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
    try:
        conversation = insert(connection, place, stored, timestamp, message.node)
    except sqlite3.IntegrityError:
        known = find_message(connection, _BY_CLIENT_ID, place, message.session_id, message.id)
        if known is None:
            raise
        return same(known, message)
    place_now = Place(conversation, stored.seq, timestamp, place.waiting + 1, place.remembers)
    count(connection, places, message.session_id, place_now)
    return Added(message=stored, duplicate=False, behind=place.waiting, remembers=bool(place.remembers))


def add_reply(connection: sqlite3.Connection, places: Places, reply: NewReply, memory: str | None, now: int) -> Added:
    """`memory` is JSON; `now` is in microseconds."""
    place = places.find(connection, reply.session_id)
    timestamp = max(now, place.last_at)
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
    try:
        conversation = insert(connection, place, stored, timestamp)
    except sqlite3.IntegrityError:
        known = find_message(connection, _BY_ID, place, reply.session_id, stored.message_id)
        if known is None:
            raise
        return Added(message=known, duplicate=True)
    waiting = place.waiting
    if reply.in_reply_to is not None:
        waiting -= connection.execute(_ANSWER, (conversation, reply.in_reply_to)).rowcount
    if memory is not None:
        connection.execute(_REMEMBER, (conversation, memory))
    remembers = place.remembers or memory is not None
    count(connection, places, reply.session_id, Place(conversation, stored.seq, timestamp, waiting, remembers))
    return Added(message=stored, duplicate=False)


def add_end(connection: sqlite3.Connection, places: Places, session_id: BotSessionId, reason: str, now: int) -> Added:
    """`now` is in microseconds."""
    place = places.find(connection, session_id)
    timestamp = max(now, place.last_at)
    end = Message(
        message_id=END,
        session_id=session_id,
        seq=place.seq + 1,
        sender=Sender.SYSTEM,
        content=reason,
        timestamp=instant(timestamp),
    )
    try:
        conversation = insert(connection, place, end, timestamp)
    except sqlite3.IntegrityError:
        known = find_message(connection, _BY_ID, place, session_id, end.message_id)
        if known is None:
            raise
        return Added(message=known, duplicate=True)
    count(connection, places, session_id, Place(conversation, end.seq, timestamp, place.waiting, place.remembers))
    return Added(message=end, duplicate=False)


def insert(connection: sqlite3.Connection, place: Place, message: Message, timestamp: int, node: str = "") -> int:
    """The log's key. The first thing that a job changes, so that a message that is there already fails alone.

    `timestamp` is the message's own, in microseconds; `node` answers it.

    Raises:
        sqlite3.IntegrityError: one of its ids is taken.
    """
    conversation, is_waiting = place.conversation, message.sender is Sender.USER
    if conversation == 0:
        conversation = connection.execute(_BEGIN, (message.session_id, timestamp, is_waiting)).lastrowid or 0
    connection.execute(_INSERT, (*row_of(message, timestamp), conversation, not is_waiting, node))
    return conversation


def count(connection: sqlite3.Connection, places: Places, session_id: BotSessionId, place: Place) -> None:
    """The log stands at `place` now; taken back if the transaction is lost."""
    if place.seq > 1:  # else its row is new, and says so
        connection.execute(_COUNT, (place.seq, place.last_at, place.waiting, place.conversation))
    places.keep(session_id, place)


def find_message(
    connection: sqlite3.Connection, look: str, place: Place, session_id: BotSessionId, id: str | None
) -> Message | None:
    rows = connection.execute(look, (place.conversation, id)).fetchall()
    return message_of(session_id, rows[0]) if rows else None
