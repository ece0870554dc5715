"""The one thread that writes: it takes every job that waits, and commits them together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from generalbots_api.backends.sqlite.checkpoints import Checkpoints
from generalbots_api.backends.sqlite.failures import log, note, translated
from generalbots_api.errors import Unavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Runs in the writer's thread within a transaction. It may be run again after a rollback."""

BATCH = 128


class Order(NamedTuple):
    job: Job[Any]
    future: asyncio.Future[Any]


class Outcome(NamedTuple):
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


class TransactionLost(Exception):
    """SQLite has rolled back the whole transaction, as it may on a full disk or an I/O error."""


class Writer:
    """Group commit: a job is answered after the commit that holds it, and fails alone if it can.

    At most `max_pending` jobs wait. Owns the connection, and closes it.
    """

    def __init__(self, connection: sqlite3.Connection, checkpoints: Checkpoints, max_pending: int) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._max_pending = max_pending
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._is_over = False
        self._thread = Thread(target=self._work, name="generalbots-sqlite", daemon=True)
        self._thread.start()

    async def run(self, job: Job[T]) -> T:
        """What `job` returns, once it is on disk.

        A waiter that is cancelled leaves its job to be done or not.

        Raises:
            Unavailable: too many wait, or the disk or the file failed; then
                nothing of the job is kept.
        """
        if self._orders.qsize() >= self._max_pending:
            raise Unavailable("Too many writes are waiting", retry_after=1)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._orders.put(Order(job, future))
        if self._is_over:  # it came too late for the thread
            self._refuse_rest()
        return await future

    def stop(self) -> None:
        """Finish what waits and close the connection; blocks until then."""
        self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                answer(self._outcomes(batch))
                self._checkpoints.after(self._connection, len(batch))
        finally:
            self._is_over = True
            self._refuse_rest()
            self._connection.close()

    def _refuse_rest(self) -> None:
        with suppress(Empty):
            while True:
                order = self._orders.get_nowait()
                if order is not None:
                    answer([Outcome(order.future, error=Unavailable("The storage is closed"))])

    def _next_batch(self) -> list[Order]:
        """What waits, at least one; empty when it is time to stop."""
        order = self._orders.get()
        batch: list[Order] = []
        while order is not None:
            batch.append(order)
            if len(batch) == BATCH:
                return batch
            try:
                order = self._orders.get_nowait()
            except Empty:
                return batch
        if batch:
            self._orders.put(None)  # first what came before the stop
        return batch

    def _outcomes(self, batch: list[Order]) -> list[Outcome]:
        try:
            return self._run(batch)
        except Exception as error:  # noqa: BLE001 # the thread must live, as everybody depends on it
            note("sqlite.rollback_failed", error)
            return failed(batch, error)

    def _run(self, batch: list[Order]) -> list[Outcome]:
        if self._connection.in_transaction:  # the last rollback failed
            self._connection.execute("ROLLBACK")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            note("sqlite.locked", error)
            return failed(batch, error)
        try:
            outcomes = [self._attempt(order) for order in batch]
            self._connection.execute("COMMIT")
        except (sqlite3.Error, TransactionLost) as error:
            return self._after_loss(batch, error)
        return outcomes

    def _attempt(self, order: Order) -> Outcome:
        """Run one job so that only its own changes go if it fails."""
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            value = order.job(connection)
        except Exception as error:  # it goes to whoever asked
            if not connection.in_transaction:
                raise TransactionLost from error
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            note("sqlite.write_failed", error)
            return Outcome(order.future, error=translated(error))
        connection.execute("RELEASE job")
        return Outcome(order.future, value)

    def _after_loss(self, batch: list[Order], error: Exception) -> list[Outcome]:
        """Nothing of the batch is kept: try each alone, so that one that is too big does not stop the rest."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if len(batch) > 1:
            return [outcome for order in batch for outcome in self._run([order])]
        if isinstance(error.__cause__, Exception):
            error = error.__cause__
        note("sqlite.commit_failed", error)
        return failed(batch, error)


def failed(batch: list[Order], error: Exception) -> list[Outcome]:
    return [Outcome(order.future, error=translated(error)) for order in batch]


def answer(outcomes: list[Outcome]) -> None:
    """Wake the waiters, by one call for each event loop; there is one as a rule."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.future.get_loop(), []).append(outcome)
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(settle, some)
        except RuntimeError:  # the loop was closed with writes under way: nobody is left to hear
            log.warning("sqlite.loop_closed", extra={"answers": len(some)})


def settle(outcomes: list[Outcome]) -> None:
    for future, value, error in outcomes:
        if future.done():  # cancelled
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)
