"""The thread that waits for the disk: commits, checkpoints and locks of other processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from generalbots_api.backends.sqlite.checkpoints import Checkpoints
from generalbots_api.backends.sqlite.failures import log
from generalbots_api.backends.sqlite.giveway import GiveWay

Then = Callable[[sqlite3.Error | None], None]
"""Called on the event loop with what went wrong, if anything did."""


class Committer:
    """Has the connection from each call here to its `then`, when it is the event loop's again."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        checkpoints: Checkpoints,
        give_way: GiveWay,
        busy_timeout: float,
    ) -> None:
        connection.execute("PRAGMA busy_timeout = 0")  # the event loop does not wait
        self._connection = connection
        self._checkpoints = checkpoints
        self._give_way = give_way
        self._wait = f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}"
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="generalbots-sqlite", daemon=True)
        self._thread.start()

    def begin(self, then: Then) -> None:
        """Wait for the lock that another process holds, and begin a transaction."""

        def begun(error: sqlite3.Error | None) -> None:
            self._give_way.__exit__()
            then(error)

        self._give_way.__enter__()
        self._work.put(lambda: self._tell(begun, self._begin()))

    def commit(self, jobs: int, then: Then, ready: Callable[[], None]) -> None:
        """Commit; `then` comes as soon as it is on disk, `ready` when the connection is free again.

        After an error the transaction has been rolled back.
        """

        def free(_: sqlite3.Error | None) -> None:
            self._give_way.__exit__()
            ready()

        self._give_way.__enter__()
        self._work.put(lambda: self._commit(jobs, then, free))

    def stop(self) -> None:
        """Close the connection once all is done; blocks until then."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while work := self._work.get():
                work()
        finally:
            self._connection.close()

    def _begin(self) -> sqlite3.Error | None:
        try:
            self._connection.execute(self._wait)
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return error
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0")
        return None

    def _commit(self, jobs: int, then: Then, free: Then) -> None:
        error = None
        try:
            self._connection.commit()  # one step without the GIL; `execute` would give it up four times
        except sqlite3.Error as failure:
            error = failure
            self._connection.rollback()
        self._tell(then, error)
        if self._checkpoints.is_due(jobs):
            self._checkpoints.run(self._connection)
        self._tell(free, None)

    def _tell(self, then: Then, error: sqlite3.Error | None) -> None:
        try:
            self._loop.call_soon_threadsafe(then, error)
        except RuntimeError:  # the loop was closed with writes under way: nobody is left to hear
            log.warning("sqlite.loop_closed")
