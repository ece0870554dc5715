"""What adds to the conversation log: one call of one function each, and a look at what was there if it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.rows.messages import COLUMNS, message_of, same
from generalbots_api.backends.rows.values import as_json, in_range, instant, micros
from generalbots_api.conversations.model import END, Added, Message, MessageStatus, NewMessage, NewReply, Sender
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

_ADD_MESSAGE = "SELECT * FROM add_message($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_ADD_OTHER = "SELECT * FROM add_other($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_KNOWN = (
    f"SELECT {COLUMNS} FROM messages WHERE seq = $2"  # noqa: S608 # constants only
    " AND conversation = (SELECT n FROM conversations WHERE key_of(session_id) = key_of($1))"
)


class Place(NamedTuple):
    """What a function answers."""

    outcome: str  # "added", "known" or "busy"
    seq: int
    at: int  # microseconds
    behind: int = 0


class LogWrites:
    """The half of the log that adds to it."""

    _database: Database

    async def add_message(self, message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        row = (
            message.session_id,
            in_range(most_waiting),
            micros(now),
            message.message_id,
            message.content,
            MessageStatus.COMPLETED.value,
            message.user_id,
            message.reply_id,
            message.id,
            as_json(message.metadata) if message.metadata else None,
            message.node,
        )
        place = await self._add(_ADD_MESSAGE, row)
        if place.outcome == "busy":
            raise Conflict("The bot is still answering earlier messages", reason="busy")
        if place.outcome == "known":
            return same(await self._known(message.session_id, place.seq), message)
        stored = Message(
            message_id=message.message_id,
            session_id=message.session_id,
            seq=place.seq,
            sender=Sender.USER,
            content=message.content,
            timestamp=instant(place.at),
            user_id=message.user_id,
            reply_id=message.reply_id,
            id=message.id,
            metadata=message.metadata,
        )
        return Added(message=stored, duplicate=False, behind=place.behind)

    async def add_reply(self, reply: NewReply, memory: dict[str, Any] | None, now: datetime, /) -> Added:
        new = Message(
            message_id=reply.message_id,
            session_id=reply.session_id,
            seq=0,
            sender=Sender.BOT,
            content=reply.content,
            timestamp=now,
            status=reply.status,
            bot_id=reply.bot_id,
            in_reply_to=reply.in_reply_to,
            error=reply.error,
            suggestions=reply.suggestions,
        )
        return await self._add_other(new, as_json(memory) if memory is not None else None)

    async def add_end(self, session_id: BotSessionId, reason: str, now: datetime, /) -> Added:
        end = Message(message_id=END, session_id=session_id, seq=0, sender=Sender.SYSTEM, content=reason, timestamp=now)
        return await self._add_other(end, None)

    async def _add_other(self, new: Message, memory: str | None) -> Added:
        """`new` has no place yet; `memory` is JSON."""
        row = (
            new.session_id,
            micros(new.timestamp),
            new.message_id,
            new.sender.value,
            new.content,
            new.status.value,
            new.bot_id,
            new.in_reply_to,
            as_json(new.error) if new.error is not None else None,
            as_json(new.suggestions) if new.suggestions else None,
            memory,
        )
        place = await self._add(_ADD_OTHER, row)
        if place.outcome == "known":
            return Added(message=await self._known(new.session_id, place.seq), duplicate=True)
        stored = msgspec.structs.replace(new, seq=place.seq, timestamp=instant(place.at))
        return Added(message=stored, duplicate=False)

    async def _add(self, statement: str, row: tuple[Any, ...]) -> Place:
        [found] = (await self._database.add(statement, *row)).rows
        return Place(*found)

    async def _known(self, session_id: BotSessionId, seq: int) -> Message:
        """Nothing changes a message once it is there, so a second question gives what the first has seen."""
        [row] = await self._database.read(_KNOWN, session_id, seq)
        return message_of(session_id, row)
