"""A server process with one of the apps, on a free port of 127.0.0.1; ended at the end, whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.processors import on_server_processor

START_TIMEOUT = 30  # seconds
END_TIMEOUT = 10


class Served(NamedTuple):
    pid: int
    port: int


@contextmanager
def served(server: str, app: str, token: str, folder: Path, **settings: str) -> Iterator[Served]:
    """`settings` are more variables of its environment."""
    folder.mkdir()
    port, said = _free_port(), folder / "said"
    environment = {**os.environ, "BENCH_TOKEN": token, "BENCH_DATABASE": str(folder / "bench.db"), **settings}
    with said.open("wb") as output:
        command = on_server_processor(_command(server, app, port))
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        _wait(process, port, said)
        yield Served(process.pid, port)  # taskset becomes the server: the pid is its own
    finally:
        _end(process)


def _command(server: str, app: str, port: int) -> list[str]:
    python = [sys.executable, "-m"]
    if server == "runner":
        return [*python, "tests.bench.by_runner", app, str(port)]
    if server == "uvicorn":
        options = [
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--ws",
            "websockets-sansio",
            "--no-access-log",
            "--log-level",
            "warning",
        ]
        return [*python, "uvicorn", app, "--port", str(port), *options]
    # without workers of its own: the one process is the one that is measured
    return [*python, "hypercorn", app, "--bind", f"127.0.0.1:{port}", "--worker-class", "uvloop", "--workers", "0"]


def _wait(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the server did not start: {said.read_text(encoding='utf-8', errors='replace')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
