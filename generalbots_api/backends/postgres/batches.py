"""Questions that come at the same time go to the server together: one round trip, one transaction, one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from generalbots_api.backends.postgres.connecting import Connection
from generalbots_api.errors import Unavailable

MOST_AT_ONCE = 64


class Answer(NamedTuple):
    rows: list[tuple[Any, ...]]
    changed: int  # how many rows


class Question(NamedTuple):
    statement: str
    arguments: Sequence[Any]


Ask = Callable[[Sequence[Question]], Awaitable[list[Answer]]]
_Place = tuple[Question, asyncio.Future[Answer]]


async def answers(connection: Connection, questions: Sequence[Question]) -> list[Answer]:
    """One transaction: what is sent in one pipeline without BEGIN is, up to its end. Then the answers are durable."""
    cursors = [connection.cursor(binary=True) for _ in questions]
    if len(questions) == 1:
        await cursors[0].execute(*questions[0])
    else:
        async with connection.pipeline():
            try:
                for cursor, question in zip(cursors, questions, strict=True):
                    await cursor.execute(*question)
            except BaseException:
                connection.pgconn.finish()  # or the end of the pipeline would commit what has been sent
                raise
    return [Answer(await one.fetchall() if one.description else [], one.rowcount) for one in cursors]


class Batches:
    """Collects questions while `most_asking` batches are under way; none waits longer than `patience` seconds.

    With `locking` those of a batch are asked in the order of their first
    argument, so that no two batches wait for each other's locks.
    """

    def __init__(self, ask: Ask, most_asking: int, *, patience: float, locking: bool) -> None:
        self._ask = ask
        self._most_asking = most_asking
        self._patience = patience
        self._locking = locking
        self._waiting: deque[_Place] = deque()
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """Who is cancelled while it waits is not asked for any more; what has been sent comes to its end.

        Raises:
            Unavailable: no answer in time, or none at all.
        """
        place: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, place))
        if len(self._asking) < self._most_asking:
            task = asyncio.create_task(self._work())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        try:
            async with asyncio.timeout(self._patience):
                return await place
        except TimeoutError:
            raise Unavailable("The storage is too slow at the moment") from None

    async def finish(self) -> None:
        while self._asking:
            await asyncio.wait(self._asking)

    async def _work(self) -> None:
        while batch := self._batch():
            await self._answer(batch)

    def _batch(self) -> list[_Place]:
        batch: list[_Place] = []
        while self._waiting and len(batch) < MOST_AT_ONCE:
            place = self._waiting.popleft()
            if not place[1].done():
                batch.append(place)
        return sorted(batch, key=lambda place: place[0].arguments[0]) if self._locking else batch

    async def _answer(self, batch: list[_Place]) -> None:
        try:
            found = await self._ask([question for question, _ in batch])
        except Exception as error:  # noqa: BLE001 # handed to those who wait
            if len(batch) == 1 or isinstance(error, Unavailable):
                for _, place in batch:
                    settle(place, error)
            else:  # nothing of it has been done, by the fault of one
                for one in batch:
                    await self._answer([one])
        else:
            for (_, place), answer in zip(batch, found, strict=True):
                settle(place, answer)


def settle(place: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    if place.done():
        return
    if isinstance(outcome, Exception):
        place.set_exception(outcome)
    else:
        place.set_result(outcome)
