"""P10: the same work on PostgreSQL and Redis, by one node and by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.ids import SessionToken
from generalbots_api.storage import Storage
from tests.bench.apps import add_login, expecting, new_service, receive
from tests.bench.chat import OURS, command_of
from tests.bench.in_process import by_header
from tests.bench.serving import Served, served
from tests.bench.table import Row
from tests.support import postgres, redis

TASKS = 50
SOCKETS = 200


def rows(*, quick: bool) -> list[Row]:
    missing = postgres.missing() or redis.missing()
    if missing is not None:
        print(f"left out, as PostgreSQL and Redis are needed: {missing}", file=sys.stderr)
        return []
    with postgres.new_schema() as schema, redis.new_prefix() as prefix:
        return [*anyio.run(_requests, schema, prefix, quick), *_turns(schema, prefix, 2 if quick else 5)]


async def _requests(schema: str, prefix: str, quick: bool) -> list[Row]:
    storage = PostgresStorage(postgres.DSN, schema=schema)
    parts = {"limiter": RedisLimiter(redis.URL, prefix), "bus": RedisBus(redis.URL, prefix)}
    each = 100 if quick else 1_000
    shared, alone = await _rate(storage, parts, each), await _rate(None, {}, each)
    return [
        Row(
            goal="P10",
            what=f"GET /api/session in process, {TASKS} tasks, PostgreSQL and Redis",
            ours=shared,
            other=alone,
            unit="requests/s",
            other_name="the same in memory",
        )
    ]


async def _rate(storage: Storage | None, parts: dict[str, object], each: int) -> float:
    gb = new_service(storage, parts=parts)
    async with gb.lifespan():
        token: SessionToken = await add_login(gb._services.storage)
        scope, answer = by_header(token), expecting()

        async def ask() -> None:
            for _ in range(each):
                await gb(scope(), receive, answer)

        started = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(TASKS):
                tasks.start_soon(ask)
        return TASKS * each / (time.perf_counter() - started)


def _turns(schema: str, prefix: str, seconds: int) -> list[Row]:
    settings = {
        "BENCH_USERS": str(2 * SOCKETS),
        "BENCH_STORAGE": "postgres",
        "BENCH_SCHEMA": f"{schema}",
        "BENCH_PREFIX": prefix,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        first = stack.enter_context(served("runner", OURS, "", folder / "first", **settings))
        one = sum(_load([first], seconds))
        second = stack.enter_context(served("runner", OURS, "", folder / "second", **settings))
        two = sum(_load([first, second], seconds))
    return [
        Row(
            goal="P10",
            what=f"turns of {SOCKETS} sockets each, gb.v1, PostgreSQL and Redis, two nodes on this machine",
            ours=two,
            other=one,
            unit="turns/s",
            other_name=f"one node; {os.cpu_count()} processors for nodes, clients, PostgreSQL and Redis",
            least=1.8,
        )
    ]


def _load(nodes: list[Served], seconds: int) -> list[float]:
    """Turns a second of each node, all at the same time."""
    commands = [
        command_of(node, "turns", "gb.v1", SOCKETS, seconds, first=place * SOCKETS) for place, node in enumerate(nodes)
    ]
    loads = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands
    ]
    rates = []
    for load in loads:
        said, errors = load.communicate(timeout=seconds + 120)
        if load.returncode:
            raise RuntimeError(errors[-2_000:])
        rates.append(float(json.loads(said)["rate"]))
    return rates
