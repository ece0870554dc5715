"""One open socket: reads, writes and watches the time until it is gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from generalbots_api.client.actions import Action
from generalbots_api.client.closing import GONE
from generalbots_api.client.errors import BadAnswer
from generalbots_api.client.machine import Machine
from generalbots_api.client.reception import Reception
from generalbots_api.client.sockets import Socket, SocketClosed

MAX_OUTGOING = 1024  # frames
WRITE_TIMEOUT = 10.0  # seconds


class Link:
    """Feeds the machine from a socket. `do` carries out what the machine wants."""

    def __init__(self, socket: Socket, machine: Machine, do: Callable[[Sequence[Action]], None]) -> None:
        self._socket = socket
        self._machine = machine
        self._reception = Reception(machine)
        self._do = do
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._watched_until = math.inf
        self._hung_up: str | None = None

    def transmit(self, text: str) -> None:
        if self._outgoing.qsize() >= MAX_OUTGOING:
            self.hang_up("the server does not read")
        else:
            self._outgoing.put_nowait(text)

    def hang_up(self, reason: str) -> None:
        self._hung_up = reason
        self._changed.set()

    def look_again(self) -> None:
        """The machine's deadline may be another one now."""
        if self._machine.deadline < self._watched_until:
            self._changed.set()

    async def run(self) -> SocketClosed:
        """Until the socket is gone; tells how it was closed."""
        gone = SocketClosed(GONE, "")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._write())
                group.create_task(self._watch())
                self._do(self._machine.opened(now()))
        except* SocketClosed as ends:
            gone = next(end for end in ends.exceptions if isinstance(end, SocketClosed))
        finally:
            await self._socket.close()
        return gone

    async def _read(self) -> None:
        while True:
            try:
                text = await self._socket.receive()
            except BadAnswer as error:
                self._do(self._machine.end(error))
                return
            self._do(self._reception.received(text, now()))

    async def _write(self) -> None:
        while True:
            text = await self._outgoing.get()
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self._socket.send(text)
            except TimeoutError as error:
                raise SocketClosed(GONE, "the server does not read") from error

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            if self._hung_up is not None:
                raise SocketClosed(GONE, self._hung_up)
            deadline = self._watched_until = self._machine.deadline
            if deadline <= now():
                self._do(self._machine.tick(now()))
                continue
            try:
                async with asyncio.timeout_at(None if deadline == math.inf else deadline):
                    await self._changed.wait()
            except TimeoutError:
                continue


def now() -> float:
    """Seconds of the event loop's monotonic clock."""
    return asyncio.get_running_loop().time()
