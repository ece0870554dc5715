"""When to move the write-ahead log into the file, so that it does not grow."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from generalbots_api.backends.sqlite.failures import note

EVERY_JOBS = 4_000
GROWTH_BYTES = 16 * 2**20
MOST_BYTES = 64 * 2**20
PATIENCE_MS = 100  # how long a reader may hold up the emptying of a log that is too big


class Checkpoints:
    """Works between two commits, where nothing is added meanwhile.

    A PASSIVE checkpoint beside a busy writer never comes to the end of the log,
    which then grows by hundreds of MB.
    """

    def __init__(self, path: Path) -> None:
        self._wal = Path(f"{path}-wal")
        self._jobs = 0
        self._size = 0  # of the log after the last checkpoint

    def is_due(self, jobs: int) -> bool:
        """Note so many jobs as committed, and say whether it is time."""
        self._jobs += jobs
        return self._jobs >= EVERY_JOBS or self._wal_size() >= self._size + GROWTH_BYTES

    def run(self, connection: sqlite3.Connection) -> None:
        try:
            self._checkpoint(connection)
        except sqlite3.Error as error:  # the log is whole: what is in it is safe, and the next one tries again
            note("sqlite.checkpoint_failed", error)
        self._jobs, self._size = 0, self._wal_size()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        if self._wal_size() <= MOST_BYTES:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def _wal_size(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:  # not there yet
            return 0
