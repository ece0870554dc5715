"""A real runner process on a free port of 127.0.0.1, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT = 30  # seconds, for a machine that is busy
END_TIMEOUT = 30
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Runner:
    """A started runner: where it is, and what it said."""

    process: subprocess.Popen[str]
    base: str
    started: str
    errors: list[str] = field(default_factory=list)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(END_TIMEOUT)


def start(*arguments: str, folder: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """The process as it is, for a start that may fail."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_runner(*arguments: str, folder: Path, environment: dict[str, str] | None = None) -> Iterator[Runner]:
    """A runner that answers; ended at the end, whatever happens."""
    process = start("--bind", "127.0.0.1:0", *arguments, folder=folder, environment=environment)
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    guard = threading.Timer(START_TIMEOUT, process.kill)
    guard.start()
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        guard.cancel()
        base = next((line.split()[1] for line in lines if line.split()[:1] == ["open"]), None)
        assert base is not None, f"the runner did not start: {''.join(errors)}"
        yield Runner(process, base, "".join(lines), errors)
    finally:
        guard.cancel()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(END_TIMEOUT)
        process.stdout.close()
        process.stderr.close()
