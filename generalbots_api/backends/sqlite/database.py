"""The open file: one connection that writes, one for point reads, a few for listings."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlite_utils

from generalbots_api.backends.sqlite.checkpoints import Checkpoints
from generalbots_api.backends.sqlite.committer import Committer
from generalbots_api.backends.sqlite.connecting import connect
from generalbots_api.backends.sqlite.failures import note, translated
from generalbots_api.backends.sqlite.giveway import GiveWay
from generalbots_api.backends.sqlite.opening import open_file
from generalbots_api.backends.sqlite.places import Places
from generalbots_api.backends.sqlite.writer import Job, Writer
from generalbots_api.errors import Unavailable

T = TypeVar("T")
Row = Sequence[Any]
POINT_READ_TIMEOUT = 0.05  # seconds; it holds up the event loop, and readers hardly ever wait
LISTINGS_AT_ONCE = 4
NOT_OPEN = "The storage is not open"


class Database:
    """Opened and closed as often as wanted, from any event loop, one at a time.

    Opening it twice is one opening, which the last closing ends.
    """

    def __init__(self, path: Path, busy_timeout: float, max_pending: int) -> None:
        self.path = path
        self.epoch = ""  # of the log; known once it is open
        self.places = Places()  # for the jobs that are given to `write`
        self._busy_timeout = busy_timeout
        self._max_pending = max_pending
        self._gate = Lock()
        self._openings = 0
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._listers: list[sqlite_utils.Database] = []
        self._limiter: anyio.CapacityLimiter | None = None
        self._give_way: GiveWay | None = None

    async def open(self) -> None:
        """Raises:
        StorageError: the file cannot be used; it is as it was.
        """
        connection = await anyio.to_thread.run_sync(self._open)
        if connection is not None:
            self._give_way = give_way = GiveWay()
            committer = Committer(connection, Checkpoints(self.path), give_way, self._busy_timeout)
            self._writer = Writer(connection, committer, self.places, self._max_pending)
            self._limiter = anyio.CapacityLimiter(LISTINGS_AT_ONCE)

    async def close(self) -> None:
        """Finish what was asked for, then close; not cut short by cancellation."""
        with anyio.CancelScope(shield=True):
            if self._openings == 1 and self._writer is not None and self._limiter is not None:
                await self._writer.finish()
                for place in range(LISTINGS_AT_ONCE):  # and let the listings under way end
                    await self._limiter.acquire_on_behalf_of(place)
            await anyio.to_thread.run_sync(self._close)

    async def write(self, job: Job[T]) -> T:
        """Run `job` in a transaction of the writer; see `Writer.run`."""
        if self._writer is None:
            raise Unavailable(NOT_OPEN)
        return await self._writer.run(job)

    def row(self, sql: str, arguments: tuple[Any, ...]) -> Row | None:
        """A point read, here and now, in some microseconds: through a thread it costs ten times as much."""
        if self._reader is None:
            raise Unavailable(NOT_OPEN)
        try:
            rows: list[Row] = self._reader.execute(sql, arguments).fetchall()
        except UnicodeEncodeError:
            return None  # no such text can have been stored
        except sqlite3.Error as error:
            note("sqlite.read_failed", error)
            raise translated(error) from error
        return rows[0] if rows else None

    async def listing(self, query: Callable[[sqlite_utils.Database], T], nothing: T) -> T:
        """Run a longer read in one of our own few threads; `nothing` for text that cannot be stored."""
        if self._limiter is None or self._give_way is None:
            raise Unavailable(NOT_OPEN)
        with self._give_way:
            return await anyio.to_thread.run_sync(self._list, query, nothing, limiter=self._limiter)

    def _list(self, query: Callable[[sqlite_utils.Database], T], nothing: T) -> T:
        lister = self._listers.pop()  # the limiter sees to it that one is free
        try:
            return query(lister)
        except UnicodeEncodeError:
            return nothing
        except sqlite3.Error as error:
            note("sqlite.read_failed", error)
            raise translated(error) from error
        finally:
            self._listers.append(lister)

    def _open(self) -> sqlite3.Connection | None:
        """The connection that writes, for the first opening."""
        with self._gate:
            if self._writer is not None and self._writer.is_orphaned:
                self._shut(self._writer)
            self._openings += 1
            if self._openings > 1:
                return None
            try:
                return self._connect()
            except BaseException:
                self._openings = 0
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = open_file(self.path, self._busy_timeout)
        self._reader = connect(self.path, POINT_READ_TIMEOUT, is_read_only=True)
        self._listers = [self._lister() for _ in range(LISTINGS_AT_ONCE)]
        [self.epoch] = self._reader.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()
        return connection

    def _lister(self) -> sqlite_utils.Database:
        connection = connect(self.path, self._busy_timeout, is_read_only=True)
        return sqlite_utils.Database(connection, execute_plugins=False)

    def _close(self) -> None:
        with self._gate:
            if self._openings == 1 and self._writer is not None:
                self._shut(self._writer)
            elif self._openings > 1:
                self._openings -= 1

    def _shut(self, writer: Writer) -> None:
        self._writer = self._limiter = self._give_way = None
        self._openings = 0
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        for lister in self._listers:
            lister.conn.close()
        self._listers = []
        writer.stop()  # last: the last connection to close empties the log and removes it
