"""The apps that the servers are given, by name: `tests.bench.served:ours`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import anyio

from generalbots_api.backends.sqlite import SqliteStorage
from tests.bench.apps import a_login, bare_starlette, new_service

storage = SqliteStorage(os.environ["BENCH_DATABASE"])


async def add_login() -> None:
    """The one that the load comes with."""
    async with storage:
        await storage.logins.open(a_login("bench", os.environ["BENCH_TOKEN"], "200000000000000001"), 20)


with ThreadPoolExecutor(1) as elsewhere:  # servers import apps on their event loops
    elsewhere.submit(anyio.run, add_login).result()

ours = new_service(storage)
starlette = bare_starlette()
