"""A disk that fails, is full, or waits to be asked: at the system calls of the running process."""

from __future__ import annotations

import asyncio
import resource
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.stage import people_at
from tests.faults.table import Table, forms
from tests.support.process import Runner

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]
FAULTS = [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fdatasync", "EIO"), ("pread64", "EIO")]


@asynccontextmanager
async def traced(runner: Runner, trace: Path, *options: str) -> AsyncIterator[None]:
    """strace on all threads of the process for a while, and no trace of it afterwards."""
    command = ["strace", "-f", "-p", str(runner.process.pid), "-o", str(trace), *options]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    if "attached" not in said:
        await process.wait()
        pytest.skip(f"strace is not permitted here: {said.strip()}")
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@forms(short=20, full=300)
async def test_each_acknowledgement_has_waited_for_the_disk(
    runner: Runner, size: int, tmp_path: Path, table: Table
) -> None:
    trace = tmp_path / "trace"
    async with people_at(runner.base, 1) as [person]:
        async with traced(runner, trace, "-e", "trace=fsync,fdatasync"):
            for number in range(size):
                before = synced(trace)
                assert await person.try_to_say(f"{number}") == 202
                assert synced(trace) > before, "acknowledged without a sync"
        count = synced(trace)
        person.check(await person.answered())
    table.note(
        "acknowledgements, one after the other",
        f"{count} fdatasync for {size} messages and their replies (strace)",
        "one or more before each",
        holds=count >= size,
    )


def synced(trace: Path) -> int:
    """Calls that have come back."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return sum("sync" in line and line.endswith("= 0") for line in lines)


@forms(short=3, full=25)
async def test_a_write_that_fails_is_not_acknowledged_and_the_next_one_is(
    runner: Runner, size: int, tmp_path: Path, table: Table
) -> None:
    """The n-th of each kind, for n = 1 to `size`, without a restart in between."""
    hits = 0
    async with people_at(runner.base, 1) as [person]:
        for call, error in FAULTS:
            for n in range(1, size + 1):
                trace = tmp_path / f"{call}.{error}.{n}"
                async with traced(runner, trace, "-e", f"inject={call}:error={error}:when={n}"):
                    for number in range(n):
                        await person.try_to_say(f"{call}.{error}.{n}.{number}")
                hits += trace.read_text().count("(INJECTED)")
                await person.say(f"{call}.{error}.{n}.after")
        messages = await person.answered()
        person.check(messages)
    assert {message["status"] for message in messages} <= {"completed", "failed"}, "failed: its memory was not read"
    figure = f"{hits} faults, {person.refused} answered 503, {len(person.told)} acknowledged, 0 lost"
    table.note("EIO and ENOSPC at the n-th write or sync", figure, "0 lost, no restart", holds=hits > size)


async def test_a_full_disk_refuses_writes_and_takes_them_again_without_a_restart(runner: Runner, table: Table) -> None:
    async with people_at(runner.base, 1) as [person]:
        await person.say("before")
        messages = await person.answered()
        with full_disk(runner.process.pid):
            refused = [await person.try_to_say(f"{number}") for number in range(5)]
            assert await person.log() == messages, "reads go on"
            ready, health = [(await person.http.get(path)).status_code for path in ("/ready", "/health")]
        await person.say("after")
        person.check(await person.answered())
        assert (await person.http.get("/ready")).status_code == 200
    assert (refused, ready, health) == ([503] * 5, 503, 200)
    figure = f"{len(refused)} writes 503, reads 200, /ready {ready}, then 202"
    table.note("disk full, then room again (RLIMIT_FSIZE of the process)", figure, "503, then 202", holds=True)


class full_disk:  # noqa: N801 - used as a function is
    """No file of the process may be written to."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (0, self._before[1]))

    def __exit__(self, *exc_info: object) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)
