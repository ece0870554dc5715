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
from generalbots_api.ids import SessionToken, new_session_token
from tests.bench.apps import add_login, bare_starlette, check_answer, expecting, new_scope, receive, running
from tests.bench.table import Row

SESSIONS = 100_000
Scope = Callable[[], dict[str, Any]]


async def rows(quick: bool) -> list[Row]:
    rounds, requests = (7, 2_000) if quick else (21, 4_000)
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
                    await check_answer(gb, scope())
                    costs = await _interleaved(rounds, requests, ours=(gb, scope, 200), bare=(bare, scope, 200))
                    found.append(
                        Row(
                            goal="P1",
                            what=f"GET /api/session in process, {how}, {name}",
                            ours=costs["ours"],
                            other=costs["bare"],
                            unit="µs",
                            other_name="bare Starlette JSON route, 11th of 20",
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
            without=(gb, new_scope, 401),
            wrong=(gb, by_header(new_session_token()), 401),
            new=(gb, by_another_token, 401),
            limited=(spent, used_up, 429),
        )
    return [
        Row(
            goal="P13",
            what=f"a refused request, {what}",
            ours=costs[name],
            other=costs["accepted"],
            unit="µs",
            other_name="an accepted one",
            most=most,
        )
        for name, what, most in (
            ("without", "401, no token", 0.7),
            ("wrong", "401, unknown token", 0.7),
            ("new", "401, another unknown token each time", None),
            ("limited", "429", 0.7),
        )
    ]


async def _many_sessions(requests: int, sessions: int) -> list[Row]:
    """The same request with many other live sessions in storage and caches, and with none.

    The collector is left on, and only what was there before the sessions is frozen, as by the runner's start.
    """
    async with running() as (alone, own), running() as (crowded, shared):
        gc.collect()
        gc.freeze()
        few, many = by_header(await add_login(own)), by_header(await add_login(shared))
        crowd = [by_header(await add_login(shared, user)) for user in range(1, sessions + 1)]
        for one in crowd:
            await crowded(one(), receive, expecting())
        cases = {"alone": (alone, [few]), "crowded": (crowded, [many]), "spread": (crowded, crowd)}
        costs: dict[str, list[list[float]]] = {name: [] for name in cases}
        for _ in range(5):
            for name, (app, scopes) in cases.items():
                costs[name].append(await _each(app, scopes, requests))
        gc.unfreeze()
    p99 = {name: statistics.median(found[int(requests * 0.99)] for found in rounds) for name, rounds in costs.items()}
    longest = {name: statistics.median(found[-1] for found in rounds) for name, rounds in costs.items()}
    crowd_of = f"with {sessions:,} live sessions"
    return [
        _beside_one("P9", f"p99 of the request {crowd_of}", p99["crowded"], p99["alone"], most=1.2),
        _beside_one("", f"the same, each request of another of the {sessions:,}", p99["spread"], p99["alone"]),
        _beside_one("", f"the longest request {crowd_of}", longest["crowded"], longest["alone"]),
    ]


def _beside_one(goal: str, what: str, ours: float, other: float, most: float | None = None) -> Row:
    return Row(goal=goal, what=what, ours=ours, other=other, unit="µs", other_name="with one session", most=most)


async def _each(app: GeneralBots, scopes: list[Scope], requests: int) -> list[float]:
    """µs of processor time of each request, the least first: other processes' turns are not ours."""
    answer, costs = expecting(), []
    for number in range(requests):
        asked, started = scopes[number * 7_919 % len(scopes)](), time.thread_time()
        await app(asked, receive, answer)
        costs.append((time.thread_time() - started) * 1e6)
    return sorted(costs)


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


def by_another_token() -> dict[str, Any]:
    return by_header(new_session_token())()


def by_cookie(token: SessionToken) -> Scope:
    header = (b"cookie", f"theme=dark; gb_session={token}".encode())
    return lambda: new_scope(header)
