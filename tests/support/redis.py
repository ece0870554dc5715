"""A Redis server for tests, and keys on it that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from secrets import token_hex

import pytest
from redis import Redis
from redis.exceptions import RedisError

URL = os.environ.get("GB_TEST_REDIS", "redis://127.0.0.1:6379/0")


def needs_server() -> None:
    """Skip the test where there is no server; in CI there must be one."""
    if (reason := missing()) is not None and os.environ.get("CI") != "true":
        pytest.skip(f"no Redis at GB_TEST_REDIS: {reason}")


@cache
def missing() -> str | None:
    try:
        with Redis.from_url(URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except RedisError as error:
        return str(error)
    return None


@contextmanager
def new_prefix() -> Iterator[str]:
    """One that nobody else uses."""
    prefix = f"gb_test_{token_hex(6)}"
    try:
        yield prefix
    finally:
        if missing() is None:
            with Redis.from_url(URL) as client:
                for key in client.scan_iter(f"{prefix}*"):
                    client.delete(key)
