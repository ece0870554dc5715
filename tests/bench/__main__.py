"""Runs every benchmark and prints the table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable

import anyio

from tests.bench import chat, growth, in_process, limiter, servers, shared, starting
from tests.bench.load import client_name
from tests.bench.table import Row, printed

BUSY = 0.5  # runnable processes in the minute before


def machine() -> str:
    return f"CPython {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: for a look, not for a figure")
    parser.add_argument("--only", metavar="NAME", help="in-process, limiter, shared, servers, growth, chat or starting")
    options = parser.parse_args()
    parts: dict[str, Callable[[], list[Row]]] = {
        "in-process": lambda: anyio.run(in_process.rows, options.quick),
        "limiter": lambda: anyio.run(limiter.rows, options.quick),
        "shared": lambda: anyio.run(shared.rows, options.quick),
        "servers": lambda: servers.rows(quick=options.quick),
        "growth": lambda: anyio.run(growth.rows, options.quick),
        "chat": lambda: chat.rows(quick=options.quick),
        "starting": lambda: starting.rows(quick=options.quick),
    }
    before = os.getloadavg()[0]
    if before > BUSY:
        print(f"others use this machine (load {before:.2f}): requests/s are too low, ratios less sure", file=sys.stderr)
    found: list[Row] = []
    for name, measure in parts.items():
        if options.only in (None, name):
            print(f"measuring: {name} …", file=sys.stderr, flush=True)
            found += measure()
    print(f"{machine()}; medians of one run; load by {client_name()}\n")
    print(printed(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
