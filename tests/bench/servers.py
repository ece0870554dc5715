"""P2 and P3, and the same on Hypercorn: requests a second through a real server, one worker on one processor."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from generalbots_api.ids import new_session_token
from tests.bench.load import CONNECTIONS, requests_per_second
from tests.bench.processors import processor_seconds
from tests.bench.serving import Served, served
from tests.bench.table import Row

PATH = "/api/session"
APPS = {
    "ours": "tests.bench.served:ours",
    "starlette": "tests.bench.served:starlette",
    "peer": "tests.bench.peer:app",
}
NAMES = {"starlette": "bare Starlette JSON route", "peer": "FastAPI + slowapi + SQLAlchemy"}
GOALS = {
    ("uvicorn", "starlette"): ("P2", 1.3),
    ("uvicorn", "peer"): ("P2", 25.0),
    ("runner", "starlette"): ("P3", 1.3),
    ("runner", "peer"): ("P3", 8.0),
}


class Run(NamedTuple):
    rate: float  # requests a second
    cost: float | None  # µs of the server's processor time a request


def rows(*, quick: bool) -> list[Row]:
    rounds, seconds = (1, 2) if quick else (5, 3)
    return [row for server in ("uvicorn", "hypercorn", "runner") for row in _rows(server, rounds, seconds)]


def _rows(server: str, rounds: int, seconds: int) -> list[Row]:
    """All three are up at once, and have their turns: what disturbs the machine disturbs all."""
    runs: dict[str, list[Run]] = {name: [] for name in APPS}
    token = new_session_token()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        up = {
            name: stack.enter_context(served(server_of(server, name), app, token, folder / name))
            for name, app in APPS.items()
        }
        for one in up.values():
            _run(one, token, 1)  # warm
        for _ in range(rounds):
            for name, one in up.items():
                runs[name].append(_run(one, token, seconds))
    rates = {name: statistics.median(run.rate for run in found) for name, found in runs.items()}
    costs = {name: statistics.median(run.cost or 0 for run in found) for name, found in runs.items()}
    return [row for other in NAMES for row in _beside(server, other, rates, costs)]


def _beside(server: str, other: str, rates: dict[str, float], costs: dict[str, float]) -> list[Row]:
    goal, least = GOALS.get((server, other), ("", None))
    rate = Row(
        goal=goal,
        what=f"GET {PATH} on {server}, Bearer, SQLite, {CONNECTIONS} connections",
        ours=rates["ours"],
        other=rates[other],
        unit="requests/s",
        other_name=f"{NAMES[other]}, {server_of(server, other)}",
        least=least,
    )
    cost = Row(
        goal="",
        what="the same, the server's processor time a request",
        ours=costs["ours"],
        other=costs[other],
        unit="µs",
        other_name=f"{NAMES[other]}, {server_of(server, other)}",
    )
    return [rate, cost]


def server_of(server: str, app: str) -> str:
    """Our runner is compared with others on Hypercorn as it comes."""
    return "hypercorn" if server == "runner" and app != "ours" else server


def _run(one: Served, token: str, seconds: int) -> Run:
    before = processor_seconds(one.pid)
    rate = requests_per_second(one.port, PATH, token, seconds)
    after = processor_seconds(one.pid)
    used = None if before is None or after is None else (after - before) / (rate * seconds) * 1e6
    return Run(rate, used)
