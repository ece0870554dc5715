"""What SQLite's errors mean to whoever asked."""

from __future__ import annotations

import logging
import sqlite3

from generalbots_api.errors import Conflict, InvalidRequest, Unavailable

log = logging.getLogger("generalbots_api.sqlite")


def translated(error: Exception) -> Exception:
    """The error to raise instead. What is no failure of the disk or of the data is a bug, and stays as it is."""
    match error:
        case sqlite3.IntegrityError():
            return Conflict("This id is taken")
        case UnicodeEncodeError():
            return InvalidRequest("Text with a lone surrogate cannot be stored")
        case OverflowError() | sqlite3.DataError():
            return InvalidRequest("A value is too big to be stored")
        case sqlite3.ProgrammingError() | sqlite3.InterfaceError() | sqlite3.NotSupportedError():
            return error
        case sqlite3.Error():
            return Unavailable("The storage cannot do this at the moment")
    return error


def note(event: str, error: Exception) -> None:
    """Log a failure of the disk or of the file; the client is not told which."""
    if isinstance(error, sqlite3.Error):
        reason = getattr(error, "sqlite_errorname", type(error).__name__)
        log.error(event, extra={"reason": reason, "error": str(error)})
