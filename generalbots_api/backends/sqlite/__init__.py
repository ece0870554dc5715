"""SQLite: everything in one file, durable when it is acknowledged."""

from generalbots_api.backends.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
