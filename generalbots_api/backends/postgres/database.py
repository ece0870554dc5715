"""The pool of connections, and ways to ask: every question is one transaction with an end in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from generalbots_api.backends.postgres.batches import Answer, Batches, Question, answers
from generalbots_api.backends.postgres.connecting import Connection, configure, has_news, parameters
from generalbots_api.backends.postgres.failures import Outages, translated
from generalbots_api.backends.postgres.migrating import install
from generalbots_api.errors import InvalidRequest, Unavailable

Row = tuple[Any, ...]
POINTS_AT_ONCE, ADDITIONS_AT_ONCE = 2, 4  # batches under way, and so connections that are busy with them
MAX_WAITING = 2_000  # questions that wait for a connection
CHECKOUT_SHARE = 0.45  # of the time-out: how long a question waits for a connection; the rest is for its answer
SERVER_SHARE = 0.8  # of the rest: the server ends a statement before the client gives the connection up
CHECK_SECONDS = 0.2
RECONNECT_SECONDS = 3.0  # after which the pool gives an attempt up; the next question begins another


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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate = asyncio.Lock()
        self._openings = 0
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._asked: set[asyncio.Task[list[Answer]]] = set()
        self._points = Batches(self._ask, POINTS_AT_ONCE, patience=timeout, locking=False)
        self._additions = Batches(self._ask, ADDITIONS_AT_ONCE, patience=timeout, locking=True)

    async def open(self) -> None:
        """Raises:
        StorageError: the server cannot be reached, or the schema cannot be used.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # another one, or one that ended without closing
            self._loop, self._gate, self._openings = loop, asyncio.Lock(), 0
        async with self._gate:
            if self._openings == 0:
                self.epoch = await install(self._parameters, self.schema)
                pool = self._new_pool()
                await pool.open()
                self._pool = pool
            self._openings += 1

    async def close(self) -> None:
        """Finish what was asked for, within the time-out, then close; not cut short by cancellation."""
        self._openings = max(0, self._openings - 1)
        if self._openings or (pool := self._pool) is None:
            return
        await asyncio.shield(asyncio.create_task(self._close(pool)))

    async def point(self, statement: str, *arguments: Any) -> list[Row]:
        """A read of few rows by an id, which goes together with others; none for text that cannot be stored."""
        if not is_text(arguments):
            return []
        return (await self._points.ask(Question(statement, arguments))).rows

    async def read(self, statement: str, *arguments: Any) -> list[Row]:
        """The rows; none for text that cannot be stored."""
        if not is_text(arguments):
            return []
        [answer] = await self._shielded([Question(statement, arguments)])
        return answer.rows

    async def add(self, statement: str, *arguments: Any) -> Answer:
        """A write that goes together with others of its kind. Durable when it returns."""
        check_text(arguments)
        return await self._additions.ask(Question(statement, arguments))

    async def write(self, statement: str, *arguments: Any) -> Answer:
        """Durable when it returns."""
        [answer] = await self.write_all(Question(statement, arguments))
        return answer

    async def write_all(self, *questions: Question) -> list[Answer]:
        """Several statements as one transaction, in one round trip."""
        for question in questions:
            check_text(question.arguments)
        return await self._shielded(questions)

    async def _shielded(self, questions: Sequence[Question]) -> list[Answer]:
        """In a task of its own: who asks may be cancelled at once, and the connection comes to its end in order."""
        task = asyncio.create_task(self._ask(questions))
        self._asked.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    def _answered(self, task: asyncio.Task[list[Answer]]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also when nobody waits any more

    async def _ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Raises:
        Unavailable: no answer in time, or none at all.
        """
        if (pool := self._pool) is None:
            raise Unavailable("The storage is not open")
        try:
            connection = await pool.getconn(self._checkout)
            try:
                async with asyncio.timeout(self._timeout):
                    found = await answers(connection, questions)
            finally:
                await pool.putconn(connection)
        except Exception as error:  # raised again, as what it means
            meaning = translated(error)
            if isinstance(meaning, Unavailable):
                self._outages.down(error)
            raise meaning from error
        self._outages.up()
        return found

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
        await self._points.finish()
        await self._additions.finish()
        if self._asked:
            await asyncio.wait(self._asked)
        if self._openings == 0:  # nobody has opened it meanwhile
            self._pool = None
            await pool.close(timeout=self._timeout)


def is_text(arguments: Sequence[Any]) -> bool:
    """Whether each str can be stored: whether it has no lone surrogate."""
    try:
        for argument in arguments:
            if isinstance(argument, str):
                argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(arguments: Sequence[Any]) -> None:
    """Raises:
    InvalidRequest: there is text that cannot be stored.
    """
    if not is_text(arguments):
        raise InvalidRequest("Text with a lone surrogate cannot be stored")
