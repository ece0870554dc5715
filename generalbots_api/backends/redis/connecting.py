"""Connections to Redis, as a URL describes them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from redis.asyncio import Connection, ConnectionPool
from redis.exceptions import ConnectionError as Disconnected

SCHEMES = ("redis://", "rediss://")
TIMEOUT = 0.25  # seconds: the longest that anything which somebody waits for may take
TICKS = 10  # of a wait
MIN_WAIT = 0.05  # seconds, for one whose time was up before it began

Connect = Callable[[], Connection]
"""Makes a connection that is not open yet."""


def connector(url: str) -> Connect:
    """What makes connections by `url`. They have no time-out of their own: whoever uses one bounds the whole.

    Raises:
        ValueError: no such URL.
    """
    if not url.startswith(SCHEMES):
        raise ValueError(f"url: must begin with {' or '.join(SCHEMES)}")
    try:
        pool: Any = ConnectionPool.from_url(url, protocol=2, driver_info=None)
        pool.make_connection()
    except (TypeError, ValueError):  # whose message may hold the password
        raise ValueError("url: is no URL like redis://user:password@host:6379/0") from None

    def connect() -> Connection:
        connection: Connection = pool.make_connection()
        connection.socket_timeout = None  # it would cost a task for each write
        return connection

    return connect


async def opened(connection: Connection) -> None:
    """Connect, with the login and the choice of the database. Whoever calls bounds it in time."""
    await connection.connect()  # type: ignore[no-untyped-call] # redis-py has no types there


@asynccontextmanager
async def bounded(deadline: float) -> AsyncIterator[None]:
    """TimeoutError past `deadline`, by the event loop's time.

    Counted in ticks, as a busy loop is late for everything: what has come
    meanwhile must be read first, or a busy moment would pass for an outage.
    """
    loop = asyncio.get_running_loop()
    step = max(deadline - loop.time(), MIN_WAIT) / TICKS
    watch: asyncio.TimerHandle

    def tick(left: int) -> None:
        nonlocal watch
        if left:
            watch = loop.call_later(step, tick, left - 1)
        else:
            scope.reschedule(loop.time())

    async with asyncio.timeout(None) as scope:
        watch = loop.call_later(step, tick, TICKS - 1)
        try:
            yield
        finally:
            watch.cancel()


def within(seconds: float) -> AbstractAsyncContextManager[None]:
    """`bounded` to so much from now."""
    return bounded(asyncio.get_running_loop().time() + seconds)


async def answered(connection: Connection) -> None:
    """Raises:
    ConnectionError: what answers is not Redis.
    """
    await connection.send_command("PING", check_health=False)
    if await connection.read_response(timeout=math.inf) != b"PONG":
        raise Disconnected("what answers is not Redis")


def reason_of(error: BaseException) -> str:
    """Why Redis is not there, for a person."""
    return str(error).rstrip(".") or "no answer in time"


def raw(text: str) -> bytes:
    """Any string as bytes, half of a surrogate pair included."""
    return text.encode("utf-8", "surrogatepass")
