"""Runs every benchmark and prints the table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable

import anyio

from tests.bench import chat, growth, in_process, limiter, nodes, servers, shared, starting
from tests.bench.load import client_name
from tests.bench.table import Row, printed

PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "in-process": lambda quick: anyio.run(in_process.rows, quick),
    "limiter": lambda quick: anyio.run(limiter.rows, quick),
    "shared": lambda quick: anyio.run(shared.rows, quick),
    "servers": lambda quick: servers.rows(quick=quick),
    "growth": lambda quick: anyio.run(growth.rows, quick),
    "chat": lambda quick: chat.rows(quick=quick),
    "nodes": lambda quick: nodes.rows(quick=quick),
    "starting": lambda quick: starting.rows(quick=quick),
}
BUSY = 0.5  # runnable processes in the minute before


def machine() -> str:
    return f"CPython {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: for a look, not for a figure")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    if before > BUSY:
        print(f"others use this machine (load {before:.2f}): requests/s are too low, ratios less sure", file=sys.stderr)
    found: list[Row] = []
    for name, measure in PARTS.items():
        if options.only in (None, name):
            print(f"measuring: {name} …", file=sys.stderr, flush=True)
            found += measure(options.quick)
    print(f"{machine()}; medians of one run; load by {client_name()}\n")
    print(printed(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
