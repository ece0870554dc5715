"""Replies being written: one at a time in each session, further messages waiting in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from generalbots_api.bots.ports import Bot
from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message
from generalbots_api.errors import Conflict
from generalbots_api.ids import BotSessionId

Background = Callable[[Callable[[], Awaitable[None]]], None]
"""Runs a job beside the request, until it ends or the service stops."""


@dataclass(frozen=True, slots=True)
class Job:
    """One stored message that a bot is to answer."""

    message: Message
    bot: Bot
    caller: Caller
    request_id: str


@dataclass(slots=True)
class _Line:
    """The messages of one session that have no reply yet."""

    places: int = 0  # taken, by messages that are running, waiting or about to be stored
    waiting: deque[Job] = field(default_factory=deque)
    is_running: bool = False


@dataclass(slots=True)
class Turns:
    """Runs jobs, in the order given for each session. A disconnect does not reach them."""

    answer: Callable[[Job], Awaitable[None]]
    background: Background
    queue: int  # messages that may wait behind the running one
    _lines: dict[BotSessionId, _Line] = field(default_factory=dict)

    @property
    def running(self) -> int:
        return sum(line.is_running for line in self._lines.values())

    def reserve(self, session_id: BotSessionId) -> None:
        """Take a place in the line.

        Raises:
            Conflict: the line is full; `details.reason` is "busy".
        """
        line = self._lines.setdefault(session_id, _Line())
        if line.places > self.queue:
            raise Conflict("The bot is still answering earlier messages", reason="busy")
        line.places += 1

    def release(self, session_id: BotSessionId) -> None:
        """Give a place back that no job came for, or whose job is done."""
        line = self._lines[session_id]
        line.places -= 1
        if line.places == 0:
            del self._lines[session_id]

    def start(self, job: Job) -> None:
        """Answer the message when its turn comes, in the place that was reserved."""
        line = self._lines[job.message.session_id]
        line.waiting.append(job)
        if not line.is_running:
            line.is_running = True
            self.background(lambda: self._run(job.message.session_id, line))

    async def _run(self, session_id: BotSessionId, line: _Line) -> None:
        try:
            while line.waiting:
                job = line.waiting.popleft()
                try:
                    await self.answer(job)
                finally:
                    self.release(session_id)
        finally:
            line.is_running = False
