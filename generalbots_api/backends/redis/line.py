"""One connection to Redis, on which the calls of many tasks go out together."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any, NamedTuple

from redis.asyncio import Connection
from redis.exceptions import ResponseError

from generalbots_api.backends.redis.connecting import TIMEOUT, Connect, answered, bounded, opened, reason_of, within
from generalbots_api.errors import Unavailable

POST_TIMEOUT = 1.0  # seconds for a batch that nobody waits for
MAX_WAITING = 10_000  # calls
MAX_WAITING_BYTES = 16_777_216
MAX_BATCH = 500  # calls in one write
PAUSES = (0.1, 0.25, 0.5, 1.0)  # seconds between the tries while it is down; the last one again and again

Command = tuple[bytes | str | int | float, ...]


class _Call(NamedTuple):
    command: Command
    size: int
    reply: asyncio.Future[Any] | None  # None: nobody waits
    since: float  # by the event loop's time

    @property
    def deadline(self) -> float | None:
        return None if self.reply is None else self.since + TIMEOUT


class Line:
    """Pipelines: what waits while a round trip is under way goes out in the next one, as one write.

    So there is no pool to run dry, and the thousandth task waits for two round
    trips at most. After a failure the line is down: every call fails at once,
    nothing is sent, and the line itself tries again until Redis answers.
    """

    def __init__(
        self,
        connect: Connect,
        on_change: Callable[[str | None], None] | None = None,
        on_lost: Callable[[bytes], None] | None = None,
    ) -> None:
        self.down: str | None = None
        """Why nothing is sent now."""
        self._on_lost = on_lost  # told of the keys of what was posted, and may not have arrived
        self._connect = connect
        self._on_change = on_change  # told the same
        self._connection: Connection | None = None
        self._is_doubtful = False
        self._is_closed = False
        self._waiting: deque[_Call] = deque()
        self._bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self._healer: asyncio.Task[None] | None = None

    async def call(self, *command: bytes | str | int | float, size: int = 0) -> Any:
        """The reply to `command`, within 250 ms of now. A caller that is cancelled breaks nothing.

        Raises:
            Unavailable: Redis does not answer.
            ResponseError: Redis refuses the command.
        """
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(command, size, reply)
        return await reply

    def post(self, *command: bytes | str | int | float, size: int = 0) -> None:
        """Send `command` after those before it, and wait for nothing. Raises Unavailable as `call`."""
        self._put(command, size, None)

    async def ping(self) -> None:
        """Raise `Unavailable` if Redis does not answer."""
        if await self.call("PING") != b"PONG":
            raise Unavailable("Redis gives answers that make no sense", retry_after=1)

    def doubt(self) -> None:
        """Something else has found Redis away: what comes next goes out on a new connection."""
        self._is_doubtful = True

    async def flush(self) -> None:
        """Wait until everything posted is out, or lost. At most 250 ms."""
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=TIMEOUT)

    async def close(self) -> None:
        self._is_closed = True
        tasks = [task for task in (self._worker, self._healer) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._worker = self._healer = None
        await self._hang_up()
        self._drop("the service is stopping")

    def _put(self, command: Command, size: int, reply: asyncio.Future[Any] | None) -> None:
        if self.down is not None:
            raise unavailable(self.down)
        if len(self._waiting) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
            raise unavailable("too much waits for it")
        loop = asyncio.get_running_loop()
        self._waiting.append(_Call(command, size, reply, loop.time()))
        self._bytes += size
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(), name="redis line")

    async def _work(self) -> None:
        batch: list[_Call] = []
        try:
            while self._waiting:
                batch = self._next_batch()
                async with bounded(batch[0].deadline or asyncio.get_running_loop().time() + POST_TIMEOUT):
                    await self._exchange(batch)
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(batch))
            raise
        except Exception as error:  # noqa: BLE001 - a server that talks nonsense makes the driver raise anything
            self._waiting.extendleft(reversed(batch))
            await self._fail(reason_of(error))

    def _next_batch(self) -> list[_Call]:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        self._bytes -= sum(call.size for call in batch)
        return batch

    async def _exchange(self, batch: list[_Call]) -> None:
        connection = await self._opened()
        packed = connection.pack_commands([call.command for call in batch])
        await connection.send_packed_command(packed, check_health=False)
        for call in batch:
            try:
                settle(call, await connection.read_response(timeout=math.inf))
            except ResponseError as error:
                settle(call, error)

    async def _opened(self) -> Connection:
        """The connection, made anew if Redis has closed it meanwhile, as it may."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        elif connection.is_connected and (self._is_doubtful or await connection.can_read()):
            await connection.disconnect(nowait=True)
        if not connection.is_connected:
            await opened(connection)
        self._is_doubtful = False
        return connection

    async def _fail(self, reason: str) -> None:
        self.down = reason
        self._drop(reason)
        if not self._is_closed:
            self._healer = asyncio.create_task(self._heal(), name="redis line healer")
        if self._on_change is not None:
            self._on_change(reason)
        await self._hang_up()

    def _drop(self, reason: str) -> None:
        calls, self._waiting, self._bytes = self._waiting, deque(), 0
        for call in calls:
            settle(call, unavailable(reason))
            if call.reply is None and self._on_lost is not None and isinstance(call.command[1], bytes):
                self._on_lost(call.command[1])

    async def _heal(self) -> None:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            await asyncio.sleep(pause * random.uniform(0.75, 1))  # noqa: S311 - so that not all nodes come at once
            try:
                async with within(TIMEOUT):
                    await answered(await self._opened())
                break
            except Exception as error:  # noqa: BLE001 - as in _work
                self.down = reason_of(error)
                await self._hang_up()
        self.down = None
        if self._on_change is not None:
            self._on_change(None)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def settle(call: _Call, reply: object) -> None:
    if call.reply is None or call.reply.done():  # nobody waits, or no longer
        return
    if isinstance(reply, Exception):
        call.reply.set_exception(reply)
        call.reply.exception()  # seen, even if who waited is cancelled at this moment
    else:
        call.reply.set_result(reply)


def unavailable(reason: str) -> Unavailable:
    return Unavailable(f"Redis cannot be reached: {reason}", retry_after=1)
