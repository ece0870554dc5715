"""Runs a batch: chains side by side, each in its order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from generalbots_api.batch.model import MOST_ANSWERED, Operation, Result, chain_of

CHAINS_AT_ONCE = 8

Run = Callable[[Operation], Awaitable[Result]]
TooMuch = Callable[[Operation], Result]
"""What stands in the place of an answer that does not fit."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Each operation is a request of its own; nothing is undone when one of them fails."""

    run: Run
    too_much: TooMuch

    async def results(self, operations: Sequence[Operation]) -> list[Result]:
        """One for each, in their order."""
        chains: dict[str, list[int]] = {}
        for place, operation in enumerate(operations):
            chains.setdefault(chain_of(operation), []).append(place)
        found: dict[int, Result] = {}
        limiter = anyio.CapacityLimiter(CHAINS_AT_ONCE)
        size = 0

        async def follow(places: list[int]) -> None:
            nonlocal size
            async with limiter:
                for place in places:
                    result = await self.run(operations[place])
                    size += len(result.body)
                    found[place] = result if size <= MOST_ANSWERED else self.too_much(operations[place])

        async with anyio.create_task_group() as tasks:
            for places in chains.values():
                tasks.start_soon(follow, places)
        return [found[place] for place in range(len(operations))]
