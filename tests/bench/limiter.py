"""P4: a decision of the limiter, with few and with many live keys."""

from __future__ import annotations

import statistics
import time

from generalbots_api.backends.memory import MemoryLimiter
from generalbots_api.limits.model import Quota
from tests.bench.table import Row

QUOTA = Quota("user", 10**9, 3_600)
FEW, MANY = 100, 100_000


async def rows(quick: bool) -> list[Row]:
    rounds, decisions = (5, 10_000) if quick else (11, 50_000)
    limiters = {keys: await _filled(keys) for keys in (FEW, MANY)}
    costs: dict[int, list[float]] = {keys: [] for keys in limiters}
    for _ in range(rounds):
        for keys, limiter in limiters.items():
            costs[keys].append(await _cost(limiter, keys, decisions))
    return [
        Row(
            goal="P4",
            what=f"a decision of the limiter with {MANY:,} live keys",
            ours=statistics.median(costs[MANY]),
            other=statistics.median(costs[FEW]),
            unit="µs",
            other_name=f"with {FEW}",
            most=2,
            most_ours=3,
        )
    ]


async def _filled(keys: int) -> MemoryLimiter:
    limiter, now = MemoryLimiter(), time.time()
    for key in range(keys):
        await limiter.take(f"u:{key}", QUOTA, now)
    return limiter


async def _cost(limiter: MemoryLimiter, keys: int, decisions: int) -> float:
    """µs a decision, over keys that are spread evenly."""
    now = time.time()
    wanted = [f"u:{number * 7_919 % keys}" for number in range(decisions)]
    started = time.process_time()
    for key in wanted:
        await limiter.take(key, QUOTA, now)
    return (time.process_time() - started) / decisions * 1e6
