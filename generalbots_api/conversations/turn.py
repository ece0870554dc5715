"""What a bot gets to answer one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message, Sender
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import BotSessionId, MessageId

MAX_HISTORY = 1_000
MAX_MEMORY_BYTES = 65_536


class BotOpening:
    """`bots.ports.Opening`. `memory` is read before the bot starts and kept with what it says."""

    def __init__(self, session_id: BotSessionId, reply_id: MessageId, caller: Caller, memory: dict[str, Any]) -> None:
        self._session_id = session_id
        self._reply_id = reply_id
        self._caller = caller
        self._before = msgspec.json.encode(memory) if memory else b"{}"
        self.memory = memory

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def reply_id(self) -> str:
        return self._reply_id

    @property
    def caller(self) -> Caller:
        return self._caller

    def changed_memory(self) -> dict[str, Any] | None:
        """The memory to store; None if it is as it was.

        Raises:
            InvalidRequest: it is over 64 KiB, or holds what is not JSON.
        """
        if not self.memory and self._before == b"{}":
            return None
        try:
            after = msgspec.json.encode(self.memory)
        except (TypeError, ValueError, OverflowError):
            raise InvalidRequest("The bot's memory holds what is not JSON") from None
        if len(after) > MAX_MEMORY_BYTES:
            raise InvalidRequest(f"The bot's memory is over {MAX_MEMORY_BYTES} bytes")
        return self.memory if after != self._before else None


class BotTurn(BotOpening):
    """`bots.ports.Turn`, on the log."""

    def __init__(self, log: ConversationLog, message: Message, caller: Caller, memory: dict[str, Any]) -> None:
        super().__init__(message.session_id, message.reply_id or MessageId(""), caller, memory)
        self._log = log
        self._message = message

    @property
    def message(self) -> Message:
        return self._message

    async def history(self, limit: int = 50, /) -> Sequence[Message]:
        """The messages before this one, oldest first, the last `limit` (at most 1,000) of them."""
        page = await self._log.before(self._message.session_id, self._message.seq, min(limit, MAX_HISTORY))
        return [message for message in page.messages if message.sender is not Sender.SYSTEM]

    def history_sync(self, limit: int = 50, /) -> Sequence[Message]:
        """See `bots.ports.Turn`: a bot in a thread gets a turn that can."""
        raise RuntimeError("history_sync() is for bots that run in a thread; here, await history()")
