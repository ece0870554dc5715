"""kill -9 again and again: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.stage import OPTIONS, PATIENCE, Person, new_database, people_at
from tests.faults.table import Table, forms
from tests.proof.proxy import Fate, proxy_to
from tests.support import postgres
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]
BETWEEN = 40  # acknowledgements before the next kill


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/kills.db"
    else:
        postgres.needs_server()
        with new_database() as dsn:
            yield dsn


@dataclass
class Lives:
    """One server after another."""

    storage: str
    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)

    async def begin(self) -> Runner:
        context = running_runner("--storage", self.storage, *OPTIONS, folder=self.folder)
        return await asyncio.to_thread(self._stack.enter_context, context)

    async def end(self) -> None:
        await asyncio.to_thread(self._stack.close)


@forms(short=2, full=20)
async def test_kills_lose_nothing_that_was_acknowledged(storage: str, size: int, tmp_path: Path, table: Table) -> None:
    lives = Lives(storage, tmp_path)
    environment_key = "k" * 40
    (tmp_path / "generalbots.toml").write_text(f'secret_keys = ["{environment_key}"]\n')
    try:
        runner = await lives.begin()
        async with proxy_to(port_of(runner), Fate) as way, people_at(f"http://127.0.0.1:{way.port}", 8) as people:
            async with asyncio.TaskGroup() as tasks:
                talking = [tasks.create_task(talk_on(one)) for one in people]
                for kill in range(1, size + 1):
                    await so_many(people, kill * BETWEEN)
                    runner.process.send_signal(signal.SIGKILL)
                    await lives.end()
                    runner = await lives.begin()
                    way.target = port_of(runner)
                await so_many(people, (size + 1) * BETWEEN)
                for task in talking:
                    task.cancel()
            logs = [await one.answered() for one in people]
    finally:
        await lives.end()
    for one, messages in zip(people, logs, strict=True):
        one.check(messages)
    statuses = Counter(message["status"] for messages in logs for message in messages if message["sender"] == "bot")
    kept = sum(len(one.told) for one in people)
    figure = f"{size} kills, {kept} acknowledged: 0 lost, 0 doubled; replies: {dict(statuses)}"
    table.note(f"kill -9, {storage.partition(':')[0]}", figure, "0 lost, 0 doubled", holds=kept >= BETWEEN * (size + 1))


async def talk_on(person: Person) -> None:
    number = 0
    while True:
        await person.say(f"{number}")
        number += 1


async def so_many(people: list[Person], count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(len(one.told) for one in people) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def port_of(runner: Runner) -> int:
    return int(runner.base.rpartition(":")[2])
