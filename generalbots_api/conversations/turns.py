"""Replies being written: one at a time in each session, further messages waiting in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from generalbots_api.conversations.job import Job
from generalbots_api.conversations.rules import MAX_SEQ
from generalbots_api.ids import BotSessionId, MessageId

log = logging.getLogger("generalbots_api.conversations")

Background = Callable[[Callable[[], Awaitable[None]]], None]
"""Runs a job beside the request, until it ends or the service stops."""
Store = Callable[[], Awaitable[None]]


class Answers(Protocol):
    def begin(self, job: Job, over: Callable[[Store], None], /) -> None:
        """Have the bot write; `over` is called once, when it does no more, with what stores its reply."""


@dataclass(slots=True)
class Turns:
    """Runs jobs, in the order given for each session. A disconnect does not reach them.

    A turn is two tasks, one after the other: the bot's, and one that stores its
    reply. Nothing waits beside a bot but the one keeper of all turns, by which
    they hear that the service stops.
    """

    answers: Answers
    background: Background
    _lines: dict[BotSessionId, deque[Job]] = field(default_factory=dict)  # the running one first
    _storing: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None  # that all of them are on
    _has_keeper: bool = False
    _is_ending: bool = False
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
        return any(job.message is None and not job.is_stored for job in self._lines.get(session_id, ()))

    def start(self, job: Job) -> None:
        """Do the job when its turn comes. When the service is stopping, the next start finds it undone."""
        if not self._is_kept():
            job.done.set()
            return
        line = self._lines.get(job.session_id)
        if line is None:
            line = self._lines[job.session_id] = deque([job])
            self.answers.begin(job, partial(self._over, line))
        else:
            job.context, job.remembers = copy_context(), True
            line.append(job)

    def stop(self, session_id: BotSessionId, reply_id: MessageId | None = None) -> list[Job]:
        """Cancel one reply, or, with no id, the running one; the jobs that this reached."""
        line = [job for job in self._lines.get(session_id, ()) if not job.is_stored]
        wanted = [job for job in line if job.reply_id == reply_id] if reply_id is not None else line[:1]
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

    def _over(self, line: deque[Job], store: Store) -> None:
        task = asyncio.create_task(self._store(line[0], store), name="a reply to be stored")
        self._storing.add(task)
        task.add_done_callback(partial(self._stored, line, store))  # whatever ends it, be it before its first step

    async def _store(self, job: Job, store: Store) -> None:
        job.storing = asyncio.current_task()
        try:
            await store()
        except Exception:  # a bug; those behind it are answered all the same
            log.exception("reply.lost", extra={"session_id": job.session_id})

    def _stored(self, line: deque[Job], store: Store, task: asyncio.Task[None]) -> None:
        self._storing.discard(task)
        goes_on = self._has_keeper and not self._is_ending
        if goes_on and task.cancelled():  # by a stranger: those behind it would wait for its reply
            self._over(line, store)
            return
        job = line.popleft()
        job.storing = None
        job.done.set()
        if line and goes_on:
            context = line[0].context or copy_context()
            context.run(self.answers.begin, line[0], partial(self._over, line))
        else:
            self._forget(job.session_id, line)

    def _forget(self, session_id: BotSessionId, line: deque[Job]) -> None:
        for left in line:  # the service stops: they stay unanswered, and are interrupted at the next start
            left.done.set()
        if self._lines.get(session_id) is line:
            del self._lines[session_id]
        if not self._lines and self._idle is not None:
            self._idle.set()
            self._idle = None

    def _is_kept(self) -> bool:
        """Whether turns may begin: as long as there is somebody to end them."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._lines, self._storing, self._idle = {}, set(), None  # what there was has died with its loop
            self._loop = loop
            self._has_keeper = self._is_ending = False
        if not self._has_keeper:
            try:
                self.background(self._keep)
            except RuntimeError:  # nothing is begun any more
                return False
            self._has_keeper = True
        return not self._is_ending

    async def _keep(self) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self._end()
            raise

    async def _end(self) -> None:
        """The service stops: have what there is of each reply stored. That takes no longer than its last words may."""
        self._is_ending = True
        try:
            for line in self._lines.values():
                line[0].interrupt()
            while self._storing:
                await asyncio.wait(self._storing)
        finally:
            self._is_ending = self._has_keeper = False
