"""Every store in one schema, as one bundle."""

from __future__ import annotations

from typing import Self

from generalbots_api.backends.postgres.bots import PostgresBotRecordStore
from generalbots_api.backends.postgres.bus import PostgresBus
from generalbots_api.backends.postgres.connecting import checked_dsn, checked_name
from generalbots_api.backends.postgres.database import Database
from generalbots_api.backends.postgres.leases import PostgresLeaseStore, PostgresRevocationStore
from generalbots_api.backends.postgres.log import PostgresConversationLog
from generalbots_api.backends.postgres.logins import PostgresLoginStore
from generalbots_api.backends.postgres.pending import PostgresPendingLoginStore, PostgresSeenTokenStore
from generalbots_api.backends.postgres.sessions import PostgresBotSessionStore

_PROBE = "UPDATE facts SET value = CASE value WHEN '0' THEN '1' ELSE '0' END WHERE name = 'probe'"


class PostgresStorage:
    """Keeps everything in one schema of a PostgreSQL database (13 or newer, UTF-8), for any number of processes.

    `dsn` is a URL or a connection string as libpq takes them; `schema` is made if it is missing. What has
    been answered is on the server's disk. `pool_size` bounds the connections of this process, and
    `timeout` is how many seconds a question may take in all, the wait for a connection included: past it
    it raises `Unavailable`, and what a write then did is not known. On one event loop (asyncio) at a
    time; it may be closed and opened again, on another one too.

    Raises:
        ValueError: the DSN or the schema cannot be one, or a bound is out of range.
    """

    default_limiter = "generalbots_api.backends.memory:MemoryLimiter"
    default_bus = "generalbots_api.backends.memory:MemoryBus"

    def __init__(self, dsn: str, *, schema: str = "generalbots", pool_size: int = 10, timeout: float = 2.7) -> None:
        if pool_size < 1:
            raise ValueError("pool_size: must be at least 1")
        if not 0.1 <= timeout <= 60:
            raise ValueError("timeout: must be 0.1 to 60 seconds")
        self._dsn = dsn
        self._database = database = Database(
            checked_dsn(dsn), checked_name("schema", schema), pool_size=pool_size, timeout=timeout
        )
        self.logins = PostgresLoginStore(database)
        self.pending_logins = PostgresPendingLoginStore(database)
        self.seen_tokens = PostgresSeenTokenStore(database)
        self.revocations = PostgresRevocationStore(database)
        self.leases = PostgresLeaseStore(database)
        self.bot_records = PostgresBotRecordStore(database)
        self.bot_sessions = PostgresBotSessionStore(database)
        self.log = PostgresConversationLog(database)

    @property
    def schema(self) -> str:
        return self._database.schema

    def new_bus(self) -> PostgresBus:
        """A bus between all who use this schema."""
        return PostgresBus(self._dsn, channel=self.schema)

    async def ping(self) -> None:
        """Commit a change to a row that is there for this only: the server, the lock and the disk are asked."""
        await self._database.write(_PROBE)

    async def __aenter__(self) -> Self:
        """Raises:
        StorageError: the server cannot be reached, or the schema is another program's or of a newer version.
        """
        await self._database.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._database.close()
