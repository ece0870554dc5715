"""P1, P9 and P13: what a request costs without a server around it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generalbots_api import GeneralBots
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import SessionToken
from tests.bench.apps import add_login, bare_starlette, expecting, new_scope, receive, running
from tests.bench.table import Row

SESSIONS = 100_000
Scope = Callable[[], dict[str, Any]]


async def rows(quick: bool) -> list[Row]:
    rounds, requests = (5, 2_000) if quick else (11, 8_000)
    found = await _against_starlette(rounds, requests)
    found += await _refused(rounds, requests)
    found += await _many_sessions(2_000 if quick else 20_000, SESSIONS // 10 if quick else SESSIONS)
    return found


async def _against_starlette(rounds: int, requests: int) -> list[Row]:
    bare, found = bare_starlette(), []
    with TemporaryDirectory() as folder:
        for name, storage in (("memory", None), ("SQLite", SqliteStorage(Path(folder) / "bench.db"))):
            async with running(storage) as (gb, store):
                token = await add_login(store)
                for how, scope in (("Bearer", by_header(token)), ("cookie", by_cookie(token))):
                    costs = await _interleaved(rounds, requests, ours=(gb, scope, 200), bare=(bare, scope, 200))
                    found.append(
                        Row(
                            goal="P1",
                            what=f"GET /api/session in process, {how}, {name}",
                            ours=costs["ours"],
                            other=costs["bare"],
                            unit="µs",
                            other_name="bare Starlette JSON route of 20",
                            most=0.6,
                        )
                    )
    return found


async def _refused(rounds: int, requests: int) -> list[Row]:
    async with running() as (gb, storage), running(limit=1) as (spent, spent_storage):
        accepted = by_header(await add_login(storage))
        used_up = by_header(await add_login(spent_storage))
        await spent(used_up(), receive, expecting())
        costs = await _interleaved(
            rounds,
            requests,
            accepted=(gb, accepted, 200),
            unauthorized=(gb, new_scope, 401),
            limited=(spent, used_up, 429),
        )
    return [
        Row(
            goal="P13",
            what=f"a refused request, {status}",
            ours=costs[name],
            other=costs["accepted"],
            unit="µs",
            other_name="an accepted one",
            most=0.7,
        )
        for name, status in (("unauthorized", 401), ("limited", 429))
    ]


async def _many_sessions(requests: int, sessions: int) -> list[Row]:
    """p99 of the same request with many other live sessions in storage and cache, and with none."""
    async with running() as (alone, own), running() as (crowded, shared):
        few, many = by_header(await add_login(own)), by_header(await add_login(shared))
        for user in range(1, sessions + 1):
            await crowded(by_header(await add_login(shared, user))(), receive, expecting())
        gc.collect()
        gc.freeze()  # as the runner does after its start
        p99 = {"alone": [], "crowded": []}  # type: dict[str, list[float]]
        for _ in range(5):
            p99["alone"].append(await _p99(alone, few, requests))
            p99["crowded"].append(await _p99(crowded, many, requests))
        gc.unfreeze()
    return [
        Row(
            goal="P9",
            what=f"p99 of the request with {sessions:,} live sessions",
            ours=statistics.median(p99["crowded"]),
            other=statistics.median(p99["alone"]),
            unit="µs",
            other_name="with one",
            most=1.2,
        )
    ]


async def _p99(app: GeneralBots, scope: Scope, requests: int) -> float:
    answer, costs = expecting(), []
    for _ in range(requests):
        asked, started = scope(), time.perf_counter()
        await app(asked, receive, answer)
        costs.append(time.perf_counter() - started)
    return sorted(costs)[int(requests * 0.99)] * 1e6


async def _interleaved(rounds: int, requests: int, **cases: tuple[Any, Scope, int]) -> dict[str, float]:
    """µs of processor time a request, medians of rounds in turn."""
    costs: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (app, scope, status) in cases.items():
            answer, scopes = expecting(status), [scope() for _ in range(requests)]
            started = time.process_time()
            for one in scopes:
                await app(one, receive, answer)
            costs[name].append((time.process_time() - started) / requests * 1e6)
    return {name: statistics.median(found) for name, found in costs.items()}


def by_header(token: SessionToken) -> Scope:
    header = (b"authorization", f"Bearer {token}".encode())
    return lambda: new_scope(header)


def by_cookie(token: SessionToken) -> Scope:
    header = (b"cookie", f"theme=dark; gb_session={token}".encode())
    return lambda: new_scope(header)
