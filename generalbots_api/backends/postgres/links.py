"""The two connections of the bus, each held by a task that gets it back when it is lost."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import psycopg
from psycopg import sql

from generalbots_api.backends.postgres.connecting import Connection, configure, has_news
from generalbots_api.backends.postgres.failures import Outages, log, reason_of
from generalbots_api.storage import StorageError

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts to connect; doubled, with jitter
QUIET_SECONDS = 2.0  # without news the listener asks whether its connection still lives
BATCH_CHARS = 262_144
FAREWELL_SECONDS = 0.5
_NOTIFY = "SELECT pg_notify($1, piece) FROM unnest($2::text[]) AS piece"
FAILURES = (psycopg.Error, OSError)


class Link:
    """A connection, and the task that works on it for ever."""

    def __init__(self, what: str, parameters: dict[str, Any], channel: str, timeout: float) -> None:
        self._parameters = parameters
        self._channel = channel
        self._timeout = timeout
        self._outages = Outages(what)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises:
        StorageError: there is no connection to be had.
        """
        try:
            connection = await self._connect()
        except FAILURES as error:
            raise StorageError(f"PostgreSQL cannot be used as the bus: {error} ({reason_of(error)})") from error
        self._task = asyncio.create_task(self._keep(connection))

    async def close(self) -> None:
        if (task := self._task) is not None:
            self._task = None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self, first: Connection) -> None:
        held: Connection | None = first
        pause = FIRST_PAUSE
        while True:
            try:
                async with held or await self._connect() as connection:
                    self._outages.up()
                    pause = FIRST_PAUSE
                    await self._work(connection)
                    return
            except FAILURES as error:
                self._outages.down(error)
            held = None
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 # so that nodes do not come all at once
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self) -> Connection:
        async with asyncio.timeout(self._timeout):
            connection = await Connection.connect(**self._parameters)
            await configure(connection, "pg_catalog", self._timeout)
            await self._begin(connection)
        return connection

    async def _begin(self, connection: Connection) -> None:
        """What a new connection begins with."""

    async def _work(self, connection: Connection) -> None:
        """Until there is no more to do; raises what the connection was lost by."""
        raise NotImplementedError


class Listening(Link):
    """Hands on each notification, and tells when some may have been missed."""

    def __init__(
        self,
        parameters: dict[str, Any],
        channel: str,
        timeout: float,
        hear: Callable[[str], None],
        on_gap: Callable[[], None],
    ) -> None:
        super().__init__("postgres.bus_listening", parameters, channel, timeout)
        self._hear = hear
        self._on_gap = on_gap
        self._has_listened = False

    async def _begin(self, connection: Connection) -> None:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))

    async def _work(self, connection: Connection) -> None:
        if self._has_listened:
            self._on_gap()
        self._has_listened = True
        while True:
            async with aclosing(connection.notifies(timeout=QUIET_SECONDS)) as news:
                async for one in news:
                    self._hand_on(one.payload)
            async with asyncio.timeout(self._timeout):
                await connection.execute("SELECT 1")

    def _hand_on(self, piece: str) -> None:
        try:
            self._hear(piece)
        except Exception:  # noqa: BLE001 # a listener's fault: the others still want to hear what comes next
            log.exception("postgres.bus_listener_failed")


class Sending(Link):
    """Sends pieces in the order in which they came, as many at a time as there are.

    What was under way when the connection was lost is not sent again: it may
    have arrived. `lost` then makes the pieces that tell the others of it.
    """

    def __init__(
        self, parameters: dict[str, Any], channel: str, timeout: float, max_pending: int, lost: Callable[[], list[str]]
    ) -> None:
        super().__init__("postgres.bus_sending", parameters, channel, timeout)
        self._max_pending = max_pending
        self._lost = lost
        self._has_lost = False
        self._pending: deque[list[str]] = deque()
        self._size = 0  # characters that are pending
        self._some = asyncio.Event()
        self._is_closing = False

    def put(self, pieces: list[str]) -> None:
        """All pieces of one message."""
        self._pending.append(pieces)
        self._size += sum(map(len, pieces))
        self._some.set()
        dropped = 0
        while self._size > self._max_pending:
            self._take()
            dropped += 1
        if dropped:
            self._has_lost = True
            log.warning("postgres.bus_dropped", extra={"messages": dropped})

    async def close(self) -> None:
        """What waits is sent first, if it can be at once."""
        if self._task is not None:
            self._is_closing = True
            self._some.set()
            await asyncio.wait([self._task], timeout=FAREWELL_SECONDS)
        await super().close()
        self._is_closing = False

    async def _work(self, connection: Connection) -> None:
        if self._has_lost:
            await self._tell_of_loss(connection)
        while self._pending or not self._is_closing:
            await self._some.wait()
            if not self._pending:
                break
            if has_news(connection):  # most likely its end: what is sent now would be lost
                await self._ask(connection, "SELECT 1")
            if self._has_lost:
                await self._tell_of_loss(connection)
            self._has_lost = True
            await self._ask(connection, _NOTIFY, self._channel, self._batch())
            self._has_lost = False

    async def _tell_of_loss(self, connection: Connection) -> None:
        await self._ask(connection, _NOTIFY, self._channel, self._lost())
        self._has_lost = False

    async def _ask(self, connection: Connection, statement: str, *arguments: Any) -> None:
        async with asyncio.timeout(self._timeout):
            await connection.execute(statement, arguments)

    def _batch(self) -> list[str]:
        batch = self._take()
        size = sum(map(len, batch))
        while self._pending and size < BATCH_CHARS:
            more = self._take()
            size += sum(map(len, more))
            batch += more
        return batch

    def _take(self) -> list[str]:
        pieces = self._pending.popleft()
        self._size -= sum(map(len, pieces))
        if not self._pending:
            self._some.clear()
        return pieces
