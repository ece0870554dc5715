"""A reply to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

from generalbots_api.bots.ports import Bot
from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message
from generalbots_api.ids import BotId, BotSessionId, MessageId


@dataclass(slots=True, eq=False)
class Job:
    """To one stored message, or, with none, a greeting. `stop` and `interrupt` end it early."""

    session_id: BotSessionId
    reply_id: MessageId
    message: Message | None
    bot: Bot
    bot_id: BotId
    caller: Caller
    request_id: str
    is_behind_others: bool = False  # earlier messages had no reply when it came: whose they are is seen later
    remembers: bool = True  # False: the bot has no memory of the session, as long as nothing comes before this job
    is_stopped: bool = False
    is_interrupted: bool = False
    is_stored: bool = False  # its reply is in the log: it is at its end, and nothing to stop
    done: asyncio.Event = field(default_factory=asyncio.Event)  # its reply is stored
    context: Context | None = None  # of the request, to begin in; None: that is where it begins anyway
    cut: Callable[[], None] | None = None  # ends what the bot is at; None: it is at nothing
    storing: asyncio.Task[None] | None = None  # its reply, if that has begun

    def stop(self) -> None:
        """Cancel the reply, whether it is running, or waiting, or about to be stored."""
        self.is_stopped = True
        if self.cut is not None:
            self.cut()

    def interrupt(self) -> None:
        """The service stops: no more of it than what there is, and that is stored soon or not at all."""
        self.is_interrupted = True
        if self.cut is not None:
            self.cut()
        elif self.storing is not None:
            self.storing.cancel()
