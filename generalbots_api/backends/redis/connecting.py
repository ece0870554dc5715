"""Connections to Redis, as a URL describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.asyncio import Connection, ConnectionPool

SCHEMES = ("redis://", "rediss://")
TIMEOUT = 0.25  # seconds: the longest that anything which somebody waits for may take

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


def reason_of(error: BaseException) -> str:
    """Why Redis is not there, for a person."""
    return str(error).rstrip(".") or f"no answer within {TIMEOUT * 1000:g} ms"


def raw(text: str) -> bytes:
    """Any string as bytes, half of a surrogate pair included."""
    return text.encode("utf-8", "surrogatepass")
