"""Group commit: whatever waits is written in one transaction, and answered when that is on disk."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import anyio

from generalbots_api.backends.sqlite.committer import Committer
from generalbots_api.backends.sqlite.failures import note, translated
from generalbots_api.backends.sqlite.gathering import MOST_JOBS, Gathering
from generalbots_api.backends.sqlite.places import Places
from generalbots_api.errors import Unavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Some statements, without waiting. Run within a transaction, and again after one that was lost."""

MOST_SECONDS = 0.004  # of the event loop's time for one batch


class Order(NamedTuple):
    job: Job[Any]
    future: asyncio.Future[Any]


class Outcome(NamedTuple):
    order: Order
    value: Any = None
    error: Exception | None = None


class TransactionLost(Exception):
    """The transaction cannot go on: SQLite has rolled it back, or a job failed halfway. Its jobs are run one by one."""


class Writer:
    """Runs the statements in the event loop's thread, and waits for the disk in another.

    Statements touch memory only, and take some 10 µs a job. In a thread each
    of them gives up the GIL several times, and beside a busy event loop gets
    it back only after 5 ms, each time: 60 writes a second were measured so,
    and thousands this way.
    """

    def __init__(self, connection: sqlite3.Connection, committer: Committer, places: Places, max_pending: int) -> None:
        self._connection = connection
        self._committer = committer
        self._places = places
        self._max_pending = max_pending
        self._places.forget()
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Order] = deque()
        self._alone: deque[Order] = deque()  # out of a batch that was lost: each gets its own
        self._gathering = Gathering(self._waiting, self._next)
        self._is_busy = False  # a batch is under way, or about to be
        self._finished: anyio.Event | None = None  # set when the last job is answered, once no more are taken

    @property
    def is_orphaned(self) -> bool:
        """Whether its event loop has gone without closing it."""
        return self._loop.is_closed()

    async def run(self, job: Job[T]) -> T:
        """What `job` returns, once it is on disk; what it raises, once it is undone.

        A waiter that is cancelled leaves its job to be done or not.

        Raises:
            Unavailable: too many wait, or the disk or the file failed; then
                nothing of the job is kept.
        """
        if self._finished is not None:
            raise Unavailable("The storage is closed")
        if len(self._waiting) >= self._max_pending:
            raise Unavailable("Too many writes are waiting", retry_after=1)
        order = Order(job, self._loop.create_future())
        self._waiting.append(order)
        if not self._is_busy:
            self._is_busy = True
            self._gathering.start()
        result: T = await order.future
        return result

    async def finish(self) -> None:
        """Take no more, and return when everything taken is answered."""
        self._finished = anyio.Event()
        if self._is_busy:
            await self._finished.wait()

    def stop(self) -> None:
        """Close the connection; blocks a moment."""
        self._committer.stop()

    def _free(self) -> None:
        """After a commit: what was lost is done at once, what else waits is gathered first."""
        if self._waiting and not self._alone:
            self._gathering.start()
        else:
            self._next()

    def _next(self) -> None:
        """Begin a batch, if anything waits. The connection is the event loop's."""
        if not self._waiting and not self._alone:
            self._is_busy = False
            if self._finished is not None:
                self._finished.set()
            return
        try:
            if self._connection.in_transaction:  # the last rollback failed
                self._connection.rollback()
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:  # most likely another process writes: the thread waits for it
            self._committer.begin(self._begun)
        else:
            self._begun(None)

    def _begun(self, error: sqlite3.Error | None) -> None:
        if error is not None:
            note("sqlite.locked", error)
            while self._waiting or self._alone:
                self._fail(self._batch(), error)
            self._next()
            return
        outcomes: list[Outcome] = []
        batch = self._batch()
        try:
            self._places.check(self._connection)
            self._attempt_some(batch, outcomes)
        except (sqlite3.Error, TransactionLost) as lost:
            self._lose([*(outcome.order for outcome in outcomes), *batch], lost)
            self._loop.call_soon(self._next)
            return
        self._waiting.extendleft(reversed(batch))  # what there was no time for
        self._committer.commit(len(outcomes), lambda error: self._committed(outcomes, error), self._free)

    def _batch(self) -> deque[Order]:
        if self._alone:
            return deque([self._alone.popleft()])
        return deque(self._waiting.popleft() for _ in range(min(MOST_JOBS, len(self._waiting))))

    def _attempt_some(self, batch: deque[Order], outcomes: list[Outcome]) -> None:
        """Move what is done from `batch` to `outcomes`: one job at least, others while there is time."""
        deadline = time.perf_counter() + MOST_SECONDS
        while batch and (not outcomes or time.perf_counter() < deadline):
            outcomes.append(self._attempt(batch[0]))
            batch.popleft()

    def _attempt(self, order: Order) -> Outcome:
        """Run one job. One that fails before it has changed anything fails alone; after that, all is done again.

        A savepoint around each would cost every job two statements more.
        """
        connection = self._connection
        changes = connection.total_changes
        try:
            value = order.job(connection)
        except Exception as error:  # it goes to whoever asked
            if not connection.in_transaction or connection.total_changes != changes:
                raise TransactionLost from error
            note("sqlite.write_failed", error)
            return Outcome(order, error=translated(error))
        return Outcome(order, value)

    def _committed(self, outcomes: list[Outcome], error: sqlite3.Error | None) -> None:
        if error is not None:
            self._lose([outcome.order for outcome in outcomes], error)
            return
        for (_, future), value, failure in outcomes:
            if future.done():  # cancelled
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(value)

    def _lose(self, orders: list[Order], error: Exception) -> None:
        """Nothing of the batch is kept: each job is tried alone, so that one too big does not stop the rest."""
        self._places.forget()
        if self._connection.in_transaction:
            self._connection.rollback()
        if len(orders) > 1:
            self._alone.extend(orders)
            return
        if isinstance(error.__cause__, Exception):
            error = error.__cause__
        note("sqlite.commit_failed", error)
        self._fail(orders, error)

    def _fail(self, orders: Iterable[Order], error: Exception) -> None:
        for order in orders:
            if not order.future.done():
                order.future.set_exception(translated(error))
