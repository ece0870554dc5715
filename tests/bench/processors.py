"""Which processor the server has, and which the load; what a process has used of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def on_server_processor(command: list[str]) -> list[str]:
    return _on(0, command)


def on_load_processor(command: list[str]) -> list[str]:
    return _on(1, command)


def _on(number: int, command: list[str]) -> list[str]:
    """Pinned where there are two processors to pin to."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(mine) < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(mine[number]), *command]


def processor_seconds(pid: int) -> float | None:
    """Of the process so far, user and system, with its threads; None where /proc does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
