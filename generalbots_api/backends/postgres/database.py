"""The pool of connections, and two ways to ask: every question is one transaction with an end in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from generalbots_api.backends.postgres.connecting import Connection, configure, has_news, parameters
from generalbots_api.backends.postgres.failures import Outages, translated
from generalbots_api.backends.postgres.migrating import install
from generalbots_api.errors import Unavailable

T = TypeVar("T")
Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Any]]
MAX_WAITING = 2_000  # questions that wait for a connection
CHECKOUT_SHARE = 0.45  # of the time-out: how long a question waits for a connection; the rest is for its answer
SERVER_SHARE = 0.8  # of the rest: the server ends a statement before the client gives the connection up
CHECK_SECONDS = 0.2
RECONNECT_SECONDS = 3.0  # after which the pool gives an attempt up; the next question begins another


class Answer(NamedTuple):
    rows: list[Row]
    changed: int  # how many rows


class Database:
    """Opened and closed as often as wanted, on one event loop at a time; the last closing ends it."""

    def __init__(self, dsn: dict[str, Any], schema: str, pool_size: int, timeout: float) -> None:
        self.schema = schema
        self.epoch = ""  # of the log; known once it is open
        self._parameters = parameters(dsn, timeout)
        self._pool_size = pool_size
        self._checkout = timeout * CHECKOUT_SHARE
        self._timeout = timeout - self._checkout
        self._outages = Outages("postgres")
        self._openings = 0
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._asked: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Raises:
        StorageError: the server cannot be reached, or the schema cannot be used.
        """
        self._openings += 1
        if self._openings > 1:
            return
        try:
            self.epoch = await install(self._parameters, self.schema)
            self._pool = self._new_pool()
            await self._pool.open()
        except BaseException:
            self._openings = 0
            raise

    async def close(self) -> None:
        """Finish what was asked for, within the time-out, then close; not cut short by cancellation."""
        self._openings = max(0, self._openings - 1)
        if self._openings or (pool := self._pool) is None:
            return
        self._pool = None
        await asyncio.shield(asyncio.create_task(self._close(pool)))

    async def read(self, statement: str, *arguments: Any) -> list[Row]:
        """The rows; none for text that cannot be stored."""
        try:
            return (await self._ask(self._one(statement, arguments))).rows
        except UnicodeEncodeError:
            return []

    async def write(self, statement: str, *arguments: Any) -> Answer:
        """Durable when it returns."""
        try:
            return await self._ask(self._one(statement, arguments))
        except UnicodeEncodeError as error:
            raise translated(error) from None

    async def write_all(self, *statements: Statement) -> list[Answer]:
        """Several statements as one transaction, in one round trip."""
        try:
            return await self._ask(self._all(statements))
        except UnicodeEncodeError as error:
            raise translated(error) from None

    async def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        """In a task of its own: who asks may be cancelled at once, and the connection comes to its end in order."""
        task = asyncio.create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also when nobody waits any more

    async def _one(self, statement: str, arguments: Sequence[Any]) -> Answer:
        async def work(connection: Connection) -> Answer:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, arguments)
            return Answer(await cursor.fetchall() if cursor.description else [], cursor.rowcount)

        return await self._with_connection(work)

    async def _all(self, statements: Sequence[Statement]) -> list[Answer]:
        """What is sent in one pipeline without BEGIN is one transaction, up to its end."""

        async def work(connection: Connection) -> list[Answer]:
            cursors = [connection.cursor(binary=True) for _ in statements]
            async with connection.pipeline():
                for cursor, (statement, arguments) in zip(cursors, statements, strict=True):
                    await cursor.execute(statement, arguments)
            return [Answer(await one.fetchall() if one.description else [], one.rowcount) for one in cursors]

        return await self._with_connection(work)

    async def _with_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Raises:
        Unavailable: no answer in time, or none at all.
        """
        if (pool := self._pool) is None:
            raise Unavailable("The storage is not open")
        try:
            connection = await pool.getconn(self._checkout)
            try:
                async with asyncio.timeout(self._timeout):
                    result = await work(connection)
            finally:
                await pool.putconn(connection)
        except UnicodeEncodeError:
            raise  # to who knows whether it is read or written
        except Exception as error:  # raised again, as what it means
            meaning = translated(error)
            if isinstance(meaning, Unavailable):
                self._outages.down(error)
            raise meaning from error
        self._outages.up()
        return result

    def _new_pool(self) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            "",
            connection_class=Connection,
            kwargs=self._parameters,
            min_size=min(2, self._pool_size),
            max_size=self._pool_size,
            open=False,
            configure=self._configure,
            check=self._check,
            timeout=self._checkout,
            max_waiting=MAX_WAITING,
            reconnect_timeout=RECONNECT_SECONDS,
        )

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        async with asyncio.timeout(self._timeout):
            await configure(connection, self.schema, self._timeout * SERVER_SHARE)

    async def _check(self, connection: AsyncConnection[Any]) -> None:
        """Costs a round trip only where something came unasked. One that is dead is seldom the only one."""
        if not has_news(connection):
            return
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await AsyncConnectionPool.check_connection(connection)
        except Exception:
            if self._pool is not None:
                await self._pool.drain()
            raise

    async def _close(self, pool: AsyncConnectionPool[Connection]) -> None:
        if self._asked:
            await asyncio.wait(self._asked)
        await pool.close(timeout=self._timeout)
