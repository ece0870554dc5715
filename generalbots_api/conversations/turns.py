"""Replies being written: one at a time in each session, further messages waiting in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from generalbots_api.bots.leash import Leash
from generalbots_api.bots.ports import Bot
from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message
from generalbots_api.conversations.rules import MAX_SEQ
from generalbots_api.ids import BotSessionId, MessageId

Background = Callable[[Callable[[], Awaitable[None]]], None]
"""Runs a job beside the request, until it ends or the service stops."""


@dataclass(slots=True, eq=False)
class Job:
    """A reply to be written: to one stored message, or, with none, a greeting. `stop` ends it early."""

    session_id: BotSessionId
    reply_id: MessageId
    message: Message | None
    bot: Bot
    caller: Caller
    request_id: str
    is_behind_others: bool = False  # earlier messages had no reply when it came: whose they are is seen later
    is_stopped: bool = False
    leash: Leash = field(default_factory=Leash)  # that the bot is run on
    done: asyncio.Event = field(default_factory=asyncio.Event)  # its reply is stored

    def stop(self) -> None:
        """Cancel the reply, whether it is running, or waiting, or about to be stored."""
        self.is_stopped = True
        self.leash.cut()


@dataclass(slots=True)
class Turns:
    """Runs jobs, in the order given for each session. A disconnect does not reach them."""

    answer: Callable[[Job], Awaitable[None]]
    background: Background
    _lines: dict[BotSessionId, deque[Job]] = field(default_factory=dict)  # the running one first
    _idle: asyncio.Event | None = None

    @property
    def running(self) -> int:
        return len(self._lines)

    def count(self, session_id: BotSessionId, seq: int = MAX_SEQ) -> int:
        """How many jobs of the session, for messages before `seq`, are running or waiting on this node."""
        line = self._lines.get(session_id, ())
        return sum(job.message is None or job.message.seq < seq for job in line)

    def is_greeting(self, session_id: BotSessionId) -> bool:
        """Whether a reply without a message is running or waiting there."""
        return any(job.message is None for job in self._lines.get(session_id, ()))

    def start(self, job: Job) -> None:
        """Do the job when its turn comes. When the service is stopping, the next start finds it undone."""
        line = self._lines.get(job.session_id)
        if line is not None:
            line.append(job)
            return
        self._lines[job.session_id] = line = deque([job])
        try:
            self.background(lambda: self._run(job.session_id, line))
        except RuntimeError:  # nothing is begun any more
            del self._lines[job.session_id]
            job.done.set()

    def stop(self, session_id: BotSessionId, reply_id: MessageId | None = None) -> list[Job]:
        """Cancel one reply, or, with no id, the running one; the jobs that this reached."""
        line = self._lines.get(session_id, deque())
        wanted = [job for job in line if job.reply_id == reply_id] if reply_id is not None else list(line)[:1]
        for job in wanted:
            job.stop()
        return wanted

    def stop_all(self, session_id: BotSessionId) -> list[Job]:
        """Cancel the running reply of a session and those that wait."""
        jobs = list(self._lines.get(session_id, ()))
        for job in jobs:
            job.stop()
        return jobs

    async def idle(self) -> None:
        """Return when no reply is running."""
        while self._lines:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()

    async def _run(self, session_id: BotSessionId, line: deque[Job]) -> None:
        try:
            while line:
                try:
                    await self.answer(line[0])
                finally:
                    line.popleft().done.set()
        finally:
            for job in line:  # the service stops: they stay unanswered, and are interrupted at the next start
                job.done.set()
            del self._lines[session_id]
            if not self._lines and self._idle is not None:
                self._idle.set()
                self._idle = None
