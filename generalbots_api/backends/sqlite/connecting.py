"""Connections to the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

CACHED_STATEMENTS = 256


def connect(path: Path, busy_timeout: float, *, is_read_only: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions, for any thread. It never creates the file.

    `busy_timeout` is in seconds: how long a statement waits for another
    process's lock.
    """
    mode = "ro" if is_read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # acknowledged means on disk
    return connection
