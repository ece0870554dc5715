"""What a bot gets to answer one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.errors import InvalidRequest

MAX_HISTORY = 1_000
MAX_MEMORY_BYTES = 65_536


class BotTurn:
    """`bots.ports.Turn`, on the log. `memory` is read before the bot starts and kept with its reply."""

    def __init__(self, log: ConversationLog, message: Message, caller: Caller, memory: dict[str, Any]) -> None:
        self._log = log
        self._message = message
        self._caller = caller
        self._before = msgspec.json.encode(memory)
        self.memory = memory

    @property
    def session_id(self) -> str:
        return self._message.session_id

    @property
    def message(self) -> Message:
        return self._message

    @property
    def reply_id(self) -> str:
        return self._message.reply_id or ""

    @property
    def caller(self) -> Caller:
        return self._caller

    async def history(self, limit: int = 50, /) -> Sequence[Message]:
        """The messages before this one, oldest first, the last `limit` (at most 1,000) of them."""
        page = await self._log.before(self._message.session_id, self._message.seq, min(limit, MAX_HISTORY))
        return page.messages

    def history_sync(self, limit: int = 50, /) -> Sequence[Message]:
        """See `bots.ports.Turn`: a bot in a thread gets a turn that can."""
        raise RuntimeError("history_sync() is for bots that run in a thread; here, await history()")

    def changed_memory(self) -> dict[str, Any] | None:
        """The memory to store; None if it is as it was.

        Raises:
            InvalidRequest: it is over 64 KiB, or holds what is not JSON.
        """
        try:
            after = msgspec.json.encode(self.memory)
        except (TypeError, ValueError, OverflowError):
            raise InvalidRequest("The bot's memory holds what is not JSON") from None
        if len(after) > MAX_MEMORY_BYTES:
            raise InvalidRequest(f"The bot's memory is over {MAX_MEMORY_BYTES} bytes")
        return self.memory if after != self._before else None
