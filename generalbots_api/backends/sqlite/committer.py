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
Work = Callable[[], sqlite3.Error | None]
"""Done in the thread; what went wrong."""


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
        self._work: SimpleQueue[tuple[Work, Then] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="generalbots-sqlite", daemon=True)
        self._thread.start()

    def begin(self, then: Then) -> None:
        """Wait for the lock that another process holds, and begin a transaction."""
        self._hand_over(self._begin, then)

    def commit(self, jobs: int, then: Then, ready: Callable[[], None]) -> None:
        """Commit so many jobs; `then` comes as soon as it is on disk, `ready` when the connection is free again.

        After an error the transaction has been rolled back.
        """

        def committed(error: sqlite3.Error | None) -> None:
            then(error)
            if self._checkpoints.is_due(jobs):
                self._hand_over(self._checkpoint, lambda _: ready())
            else:
                ready()

        self._hand_over(self._commit, committed)

    def stop(self) -> None:
        """Close the connection once all is done; blocks until then."""
        self._work.put(None)
        self._thread.join()

    def _hand_over(self, work: Work, then: Then) -> None:
        def done(error: sqlite3.Error | None) -> None:
            self._give_way.__exit__()
            then(error)

        self._give_way.__enter__()
        self._work.put((work, done))

    def _run(self) -> None:
        try:
            while order := self._work.get():
                work, done = order
                self._tell(done, work())
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

    def _commit(self) -> sqlite3.Error | None:
        """Gets the GIL back once, as few times as can be: beside a busy event loop each time may take a millisecond."""
        try:
            self._connection.commit()  # one step without the GIL; `execute` would give it up four times
        except sqlite3.Error as error:
            self._connection.rollback()
            return error
        return None

    def _checkpoint(self) -> None:
        self._checkpoints.run(self._connection)

    def _tell(self, then: Then, error: sqlite3.Error | None) -> None:
        try:
            self._loop.call_soon_threadsafe(then, error)
        except RuntimeError:  # the loop was closed with writes under way: nobody is left to hear
            log.warning("sqlite.loop_closed")
