"""What PostgreSQL's errors mean to whoever asked, and when to log them."""

from __future__ import annotations

import logging
import struct

import psycopg
from psycopg import errors

from generalbots_api.errors import Conflict, InvalidRequest, Unavailable

log = logging.getLogger("generalbots_api.postgres")


def translated(error: Exception) -> Exception:
    """The error to raise instead. What is no failure of the server or of the data is a bug, and stays as it is."""
    match error:
        case errors.UniqueViolation():
            return Conflict("This id is taken")
        case OverflowError() | struct.error() | psycopg.DataError() | errors.ProgramLimitExceeded():
            return InvalidRequest("A value is too big to be stored")
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError() | OSError():
            return Unavailable("The storage cannot do this at the moment")
    return error


def reason_of(error: Exception) -> str:
    """The name of the error's SQLSTATE, or of its class."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__


class Outages:
    """One line in the log when a thing goes down, and one when it is back."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.is_down = False

    def down(self, error: Exception) -> None:
        if not self.is_down:
            self.is_down = True
            log.error(f"{self._what}.down", extra={"reason": reason_of(error), "error": str(error)})

    def up(self) -> None:
        if self.is_down:
            self.is_down = False
            log.warning(f"{self._what}.back")
