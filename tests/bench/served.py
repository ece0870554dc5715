"""The apps that the servers are given, by name: `tests.bench.served:ours`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.routing import Mount

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import LoginId, UserId, hash_token
from tests.bench.apps import bare_starlette, new_service

storage = SqliteStorage(os.environ["BENCH_DATABASE"])
gb = new_service(storage)
starlette = bare_starlette()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Ours, with the one login that the load comes with."""
    async with gb.lifespan():
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
        await storage.logins.open(login, 20)
        yield


host = Starlette(routes=[Mount("", app=gb)], lifespan=lifespan)


async def ours(scope, receive, send):  # type: ignore[no-untyped-def]
    """Straight to ours, but for the lifespan, which adds the login."""
    await (host if scope["type"] == "lifespan" else gb)(scope, receive, send)
