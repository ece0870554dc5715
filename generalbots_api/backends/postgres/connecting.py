"""A connection with a bound on everything."""

from __future__ import annotations

import asyncio
import select
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, sql, waiting
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict

from generalbots_api.backends.postgres.texts import adapt

T = TypeVar("T")
HAS_TRANSACTION_TIMEOUT = 170_000  # version of the server
MAX_NAME = 63  # bytes; PostgreSQL cuts longer names off
_CONFIGURE = """
SELECT set_config('search_path', $1, false),
    set_config('statement_timeout', $2, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $2, false),
    set_config('tcp_keepalives_idle', '5', false),  -- the locks of a client that is gone go with it
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
        false)
"""


class Connection(AsyncConnection[Any]):
    """Given up at once when waiting for it is cancelled.

    psycopg's own asks the server to cancel the query and waits for that, which a
    server that hangs never answers.
    """

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.pgconn.finish()
            raise


def checked_dsn(dsn: str) -> dict[str, Any]:
    """Raises:
    ValueError: `dsn` is none; what is wrong with it is not told, since it may hold a password.
    """
    try:
        return dict(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:
        raise ValueError("dsn: this is no connection string of PostgreSQL") from None


def checked_name(field: str, name: str) -> str:
    """Raises:
    ValueError: `name` cannot be that of a schema or of a channel.
    """
    if not name or len(name.encode("utf-8", "replace")) > MAX_NAME or not name.isprintable() or name[:3] == "pg_":
        raise ValueError(f"{field}: must be 1 to {MAX_NAME} bytes of printable text that do not begin with pg_")
    return name


def parameters(dsn: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Arguments of `Connection.connect`; what the DSN says itself comes first."""
    adapters = AdaptersMap(psycopg.adapters)
    adapt(adapters)
    bounds = {
        "connect_timeout": max(1, int(timeout)),
        "tcp_user_timeout": int(timeout * 1000),
        "keepalives_idle": 5,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "target_session_attrs": "read-write",
        "application_name": "generalbots",
    }
    own = {
        "client_encoding": "UTF8",
        "autocommit": True,
        "prepare_threshold": 0,
        "cursor_factory": AsyncRawCursor,
        "context": _Context(adapters),
    }
    return {**bounds, **dsn, **own}


class _Context:
    """What psycopg takes its adapters from."""

    def __init__(self, adapters: AdaptersMap) -> None:
        self.adapters = adapters
        self.connection = None


async def configure(connection: AsyncConnection[Any], schema: str, timeout: float) -> None:
    """The schema, the server's own bounds, and that a commit is on disk."""
    path = sql.Identifier(schema).as_string(connection)
    milliseconds = str(int(timeout * 1000))
    await connection.execute(_CONFIGURE, (path, milliseconds), prepare=False)
    if connection.info.server_version >= HAS_TRANSACTION_TIMEOUT:
        await connection.execute("SELECT set_config('transaction_timeout', $1, false)", (milliseconds,), prepare=False)


def has_news(connection: AsyncConnection[Any]) -> bool:
    """Whether something came over an idle connection, such as its end; costs no round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
