"""P2, and the same on Hypercorn: requests a second through a real server, one worker on one processor."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from generalbots_api.ids import new_session_token
from tests.bench.load import requests_per_second
from tests.bench.table import Row

PATH = "/api/session"
APPS = {
    "ours": "tests.bench.served:ours",
    "starlette": "tests.bench.served:starlette",
    "peer": "tests.bench.peer:app",
}
PEER = "FastAPI + slowapi + SQLAlchemy"
START_TIMEOUT = 30  # seconds


def rows(*, quick: bool) -> list[Row]:
    rounds, seconds = (1, 2.0) if quick else (3, 3.0)
    found = []
    for server in ("uvicorn", "hypercorn"):
        rates: dict[str, list[float]] = {name: [] for name in APPS}
        for _ in range(rounds):
            for name in APPS:
                rates[name].append(_measured(server, name, seconds))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        found += _rows(server, medians)
    return found


def _rows(server: str, medians: dict[str, float]) -> list[Row]:
    is_due = server == "uvicorn"
    goal, what = "P2" if is_due else "", f"GET /api/session on {server}, SQLite, 50 connections"
    starlette = Row(
        goal=goal,
        what=what,
        ours=medians["ours"],
        other=medians["starlette"],
        unit="requests/s",
        other_name=f"bare Starlette route on {server}",
        least=1.3 if is_due else None,
    )
    peer = Row(
        goal=goal,
        what=what,
        ours=medians["ours"],
        other=medians["peer"],
        unit="requests/s",
        other_name=f"{PEER} on {server}",
        least=25 if is_due else None,
    )
    return [starlette, peer]


def _measured(server: str, name: str, seconds: float) -> float:
    token = new_session_token()
    with TemporaryDirectory() as folder, _served(server, APPS[name], token, Path(folder)) as port:
        requests_per_second(port, PATH, token, 1)  # warm
        return requests_per_second(port, PATH, token, seconds)


@contextmanager
def _served(server: str, app: str, token: str, folder: Path) -> Iterator[int]:
    port = _free_port()
    environment = {**os.environ, "BENCH_TOKEN": token, "BENCH_DATABASE": str(folder / "bench.db")}
    process = subprocess.Popen(
        _on_server_cpu(_command(server, app, port)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=START_TIMEOUT)


def _command(server: str, app: str, port: int) -> list[str]:
    python = [sys.executable, "-m"]
    if server == "uvicorn":
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return [*python, "uvicorn", app, "--port", str(port), *options]
    return [*python, "hypercorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "uvloop"]


def _on_server_cpu(command: list[str]) -> list[str]:
    return ["taskset", "-c", "0", *command] if shutil.which("taskset") else command


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.communicate()[1].decode()
            raise RuntimeError(f"the server did not start: {said}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start in time")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
