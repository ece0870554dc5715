"""The subscriptions of one process: on a connection of their own, made anew whenever it is lost."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterable
from itertools import islice

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as Disconnected

from generalbots_api.backends.redis.connecting import TIMEOUT, Connect, opened, reason_of, within
from generalbots_api.backends.redis.line import PAUSES

HEARTBEAT = 1.0  # seconds without a change after which Redis is asked whether it is there
PONG_TIMEOUT = 1.0  # seconds; nobody waits for it but the connection itself
MAX_CHANGES = 1_000  # channels in one command


class Subscriptions:
    """Keeps Redis told of the channels that are wanted. Each round ends with a ping, whose pong confirms it."""

    def __init__(
        self,
        connect: Connect,
        hear: Callable[[bytes, bytes], None],
        on_change: Callable[[str | None], None],
        on_subscribed: Callable[[bytes], None],
    ) -> None:
        self.down: str | None = "not connected yet"
        self._connect = connect
        self._hear = hear
        self._on_change = on_change
        self._on_subscribed = on_subscribed
        self._wanted: set[bytes] = set()
        self._changes: dict[bytes, bool] = {}  # what Redis has not been told; True: subscribe
        self._changed = asyncio.Event()
        self._failures = 0  # in a row
        self._round = 0  # of pings
        self._new: list[bytes] = []  # channels that this round's pong confirms
        self._confirmed = 0
        self._pong = asyncio.Event()
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen until `close`, on the event loop that runs now."""
        self._task = asyncio.create_task(self._run(), name="redis bus")

    def want(self, channel: bytes) -> None:
        self._wanted.add(channel)
        self._change(channel, is_wanted=True)

    def forgo(self, channel: bytes) -> None:
        self._wanted.discard(channel)
        self._change(channel, is_wanted=False)

    def doubt(self, reason: str) -> None:
        """Something else has found Redis away: ask at once, and count as down until there is an answer."""
        self._tell(reason)
        self._changed.set()

    async def settled(self) -> None:
        """Wait until Redis has confirmed everything that is wanted now."""
        while self.down is not None or self._changes or self._confirmed != self._round:
            if self._confirmed == self._round:
                self._changed.set()  # a round now, rather than at the next beat; asked for in each it would never end
            self._pong.clear()
            await self._pong.wait()

    async def close(self) -> None:
        self._is_closed = True  # a task group that fails at this moment loses the cancellation (Python 3.11)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while not self._is_closed:
            connection = self._connect()
            try:
                await self._listen(connection)
            except* Exception as group:  # noqa: BLE001 - a server that talks nonsense makes the driver raise
                self._failures += 1
                self._tell(reason_of(group.exceptions[0]))
            finally:
                await connection.disconnect(nowait=True)
            if self._is_closed:
                return
            pause = PAUSES[min(self._failures, len(PAUSES)) - 1]
            await asyncio.sleep(pause * random.uniform(0.75, 1))  # noqa: S311 - so that not all nodes come at once

    async def _listen(self, connection: Connection) -> None:
        async with within(TIMEOUT):
            await opened(connection)
        self._changes = dict.fromkeys(self._wanted, True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(connection))
            tasks.create_task(self._ask(connection))

    async def _read(self, connection: Connection) -> None:
        while True:
            match await connection.read_response(timeout=math.inf):
                case [b"message", bytes(channel), bytes(payload)]:
                    self._hear(channel, payload)
                case [b"pong", bytes(number)] | bytes(number):  # bare as long as there is no subscription
                    self._confirm(int(number))
                case [b"subscribe" | b"unsubscribe", *_]:
                    pass
                case _:
                    raise Disconnected("what answers is not Redis")

    async def _ask(self, connection: Connection) -> None:
        while True:
            self._changed.clear()
            self._round += 1
            changes = dict(islice(self._changes.items(), MAX_CHANGES))
            await self._send(connection, changes)
            async with within(PONG_TIMEOUT):
                while self._confirmed != self._round:
                    self._pong.clear()
                    await self._pong.wait()
            if not self._changes:
                self._failures = 0
                self._tell(None)
                await self._wait_for_a_change()

    def _confirm(self, number: int) -> None:
        """What is told of the channels comes before the first news of them."""
        self._confirmed = number
        if number == self._round:
            new, self._new = self._new, []
            for channel in new:
                self._on_subscribed(channel)
        self._pong.set()

    async def _send(self, connection: Connection, changes: dict[bytes, bool]) -> None:
        for channel in changes:
            del self._changes[channel]
        commands: list[Iterable[bytes | str | int]] = []
        self._new = [channel for channel, is_wanted in changes.items() if is_wanted]
        if self._new:
            commands.append(("SUBSCRIBE", *self._new))
        if old := [channel for channel, is_wanted in changes.items() if not is_wanted]:
            commands.append(("UNSUBSCRIBE", *old))
        commands.append(("PING", self._round))
        async with within(PONG_TIMEOUT):
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    async def _wait_for_a_change(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            return

    def _change(self, channel: bytes, *, is_wanted: bool) -> None:
        self._changes[channel] = is_wanted
        self._changed.set()

    def _tell(self, reason: str | None) -> None:
        if reason != self.down:
            self.down = reason
            self._on_change(reason)
