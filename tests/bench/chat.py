"""P5 to P8: turns of chat, the first piece of a reply, memory of sockets, one message to many."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.testing.log import PLENTY, a_message
from tests.bench.processors import on_load_processor
from tests.bench.serving import Served, served
from tests.bench.table import Row

OURS, ECHO, BROADCAST = (f"tests.bench.chat_apps:{name}" for name in ("ours", "starlette", "broadcast"))
SOCKET_IO = "tests.bench.chat_apps:socket_io"
BARE = "bare Starlette echo, stock Hypercorn"
PEER = "python-socketio echo, uvicorn, 2,000 sockets"


def rows(*, quick: bool) -> list[Row]:
    seconds = 2.0 if quick else 5.0
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return [
            *_turns(place, seconds, rounds=1 if quick else 3),
            *_first_piece(place, seconds),
            *_memory(place, [1_000] if quick else [1_000, 5_000]),
            *_fanout(place, 100 if quick else 1_000),
        ]


def _turns(folder: Path, seconds: float, rounds: int) -> list[Row]:
    cases = {
        "durable": ("runner", OURS, {"BENCH_USERS": "200"}, "gb.v1", 200),
        "plain": ("runner", OURS, {"BENCH_USERS": "200"}, "plain", 200),
        "memory": ("runner", OURS, {"BENCH_USERS": "200", "BENCH_STORAGE": "memory"}, "gb.v1", 200),
        "one": ("runner", OURS, {"BENCH_USERS": "1"}, "gb.v1", 1),
        "bare": ("hypercorn", ECHO, {}, "echo", 200),
        "bare one": ("hypercorn", ECHO, {}, "echo", 1),
        "peer": ("uvicorn", SOCKET_IO, {}, "socketio", 2_000),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for number in range(rounds):
        for name, (server, app, settings, kind, sockets) in cases.items():
            with served(server, app, "", folder / f"{name} {number}", **settings) as one:
                found[name].append(load(one, "turns", kind, sockets, seconds))
    rate = {name: statistics.median(run["rate"] for run in runs) for name, runs in found.items()}
    p99 = {name: statistics.median(run["p99_ms"] for run in runs) for name, runs in found.items()}
    what = "turns of 200 sockets, runner"

    def row(name: str, text: str, other: str, named: str, least: float | None = None) -> Row:
        return Row(
            goal="P5" if least else "",
            what=text,
            ours=rate[name],
            other=rate[other],
            unit="turns/s",
            other_name=named,
            least=least,
        )

    return [
        row("durable", f"{what}, gb.v1 (4 frames a turn), SQLite", "bare", BARE, 0.5),
        row("durable", f"{what}, gb.v1 (4 frames a turn), SQLite", "peer", PEER, 4),
        row("plain", f"{what}, plain (1 frame a turn), SQLite", "bare", BARE, 0.5),
        row("plain", f"{what}, plain (1 frame a turn), SQLite", "peer", PEER, 4),
        row("memory", f"{what}, gb.v1, memory", "bare", BARE),
        row("one", "turns of one socket, runner, gb.v1, SQLite", "bare one", BARE),
        _p99("p99 of a turn, 200 sockets, gb.v1, SQLite", p99["durable"], p99["bare"]),
        _p99("p99 of a turn, one socket, gb.v1, SQLite", p99["one"], p99["bare one"]),
    ]


def _p99(what: str, ours: float, other: float) -> Row:
    return Row(goal="", what=what, ours=ours, other=other, unit="ms", other_name=BARE)


def _first_piece(folder: Path, seconds: float) -> list[Row]:
    commit = anyio.run(_commit_ms, folder / "commits.db")
    with served("runner", OURS, "", folder / "first", BENCH_USERS="1") as one:
        first = load(one, "turns", "first", 1, seconds)["p50_ms"]
    bound = 2 * commit + 0.3
    return [
        Row(
            goal="P6",
            what="send to first piece, one socket, SQLite, median",
            ours=first,
            other=bound,
            unit="ms",
            other_name=f"2 durable commits of {commit:.2f} ms + 0.3 ms",
            most=1,
        )
    ]


async def _commit_ms(path: Path) -> float:
    """The median of one durable write after another."""
    times = []
    async with SqliteStorage(path) as storage:
        for number in range(200):
            started = time.perf_counter()
            await storage.log.add_message(a_message(str(number)), PLENTY, datetime.now(UTC))
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000


def _memory(folder: Path, counts: list[int]) -> list[Row]:
    found = []
    for count in counts:
        with ExitStack() as stack:
            ours = stack.enter_context(served("runner", OURS, "", folder / f"idle {count}", BENCH_USERS=str(count)))
            bare = stack.enter_context(served("hypercorn", ECHO, "", folder / f"idle bare {count}"))
            sizes = [_idle_kilobytes(one, kind, count) for one, kind in ((ours, "gb.v1"), (bare, "echo"))]
        found.append(
            Row(
                goal="P7" if count == 5_000 else "",
                what=f"memory of an idle authenticated socket at {count:,}",
                ours=sizes[0],
                other=sizes[1],
                unit="KB",
                other_name="bare Starlette socket, stock Hypercorn",
                most_ours=40 if count == 5_000 else None,
            )
        )
    return found


def _idle_kilobytes(one: Served, kind: str, sockets: int) -> float:
    before = resident(one.pid)
    with _idle(one, kind, sockets):
        return (resident(one.pid) - before) / sockets / 1_000


@contextmanager
def _idle(one: Served, kind: str, sockets: int) -> Iterator[None]:
    command = command_of(one, "idle", kind, sockets, 0)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        if "open" not in said:
            raise RuntimeError(f"the sockets did not open: {said}")
        time.sleep(1)
        yield
    finally:
        process.communicate(timeout=30)


def _fanout(folder: Path, sockets: int) -> list[Row]:
    with ExitStack() as stack:
        ours = stack.enter_context(served("runner", OURS, "", folder / "fanout", BENCH_USERS="1", BENCH_BOT="mute"))
        bare = stack.enter_context(served("runner", BROADCAST, "", folder / "fanout bare"))
        times = [load(one, "fanout", kind, sockets, 4)["ms"] for one, kind in ((ours, "gb.v1"), (bare, "echo"))]
    return [
        Row(
            goal="P8",
            what=f"one message to {sockets:,} subscribed sockets, until the last has it",
            ours=times[0],
            other=times[1],
            unit="ms",
            other_name="a bare loop of sends, same server",
            most=1.3,
        )
    ]


def load(one: Served, what: str, kind: str, sockets: int, seconds: float) -> dict[str, float]:
    command = command_of(one, what, kind, sockets, seconds)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)  # noqa: PLW1510 # looked at
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def command_of(  # noqa: PLR0917 # the options of `ws_load`, in their order
    one: Served, what: str, kind: str, sockets: int, seconds: float, first: int = 0
) -> list[str]:
    options = ["--port", str(one.port), "--kind", kind, "--sockets", str(sockets), "--seconds", str(seconds)]
    options += ["--first", str(first)]
    return on_load_processor([sys.executable, "-m", "tests.bench.ws_load", what, *options])


def resident(pid: int) -> int:
    """Bytes of memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096
