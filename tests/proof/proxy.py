"""A way between a client and a server over TCP that cuts connections at any byte, holds bytes up, and half-closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

LINGER = 0.05  # seconds that the other way goes on after a half-close


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one connection."""

    up: int | None = None  # bytes that get to the server; None: all
    down: int | None = None  # bytes that get to the client
    is_half: bool = False  # then only this way is closed at first, and in the orderly manner
    piece: int = 65_536  # bytes that are passed on at once
    delay: float = 0.0  # seconds before each piece


def any_fate(random: Random) -> Fate:
    """A cut somewhere between the first byte of the handshake and the end of a few short turns."""
    is_up = random.random() < 0.4
    return Fate(
        up=random.randrange(700) if is_up else None,
        down=None if is_up else random.randrange(random.choice([600, 2_500])),
        is_half=random.random() < 0.25,
        piece=random.choice([65_536, 65_536, 65_536, random.randrange(20, 400)]),
        delay=random.choice([0.0, 0.0, 0.0, 0.001, 0.004]),
    )


class Cut(Exception):
    """The bytes of a way are used up."""


@dataclass
class Proxy:
    """Of each connection as much as its fate lets through; `cuts` counts those that were cut."""

    target: int
    fates: Callable[[], Fate]
    port: int = 0
    connections: int = 0
    cuts: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # nobody listens: the server is being restarted
            self._abort(writer)
        else:
            self._writers.add(back)
            await self._connect(reader, writer, there, back)

    def _abort(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _connect(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        fate = self.fates()
        ways = [
            asyncio.create_task(pump(reader, back, fate, fate.up)),
            asyncio.create_task(pump(there, writer, fate, fate.down)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if any(isinstance(way.exception(), Cut) for way in done):
                self.cuts += 1
                if fate.is_half:
                    await asyncio.wait(ways, timeout=LINGER)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._abort(writer, back)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._abort(*self._writers)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate, left: int | None) -> None:
    """Until there is no more to pass on.

    Raises:
        Cut: no more may be passed on.
    """
    with suppress(ConnectionError):
        while data := await reader.read(fate.piece):
            await asyncio.sleep(fate.delay)
            data = data[:left]
            writer.write(data)
            await writer.drain()
            if left is not None:
                left -= len(data)
                if left == 0:
                    if fate.is_half:
                        writer.write_eof()
                    raise Cut


@asynccontextmanager
async def proxy_to(target: int, fates: Callable[[], Fate]) -> AsyncIterator[Proxy]:
    proxy = Proxy(target, fates)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    async with server:
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            await proxy.close()
