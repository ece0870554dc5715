"""The apps that the servers are given, by name: `tests.bench.served:ours`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import anyio

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import LoginId, UserId, hash_token
from tests.bench.apps import bare_starlette, new_service

storage = SqliteStorage(os.environ["BENCH_DATABASE"])


async def add_login() -> None:
    """The one that the load comes with."""
    now = datetime.now(UTC)
    login = Login(
        id=LoginId("bench"),
        token_hash=hash_token(os.environ["BENCH_TOKEN"]),
        user_id=UserId("200000000000000001"),
        created_at=now,
        last_seen_at=now,
        ends_at=now + timedelta(hours=12),
        sealed_grant=b"sealed",
        standing=Standing(roles=frozenset({"user"})),
        standing_at=now,
    )
    async with storage:
        await storage.logins.open(login, 20)


with ThreadPoolExecutor(1) as elsewhere:  # servers import apps on their event loops
    elsewhere.submit(anyio.run, add_login).result()

ours = new_service(storage)
starlette = bare_starlette()
