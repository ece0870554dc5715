"""P12: how long an import takes, and a runner to its first answer."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.table import Row
from tests.support.process import running_runner


def rows(*, quick: bool) -> list[Row]:
    rounds = 3 if quick else 7
    imports = [(_timed("import generalbots_api"), _timed("pass")) for _ in range(rounds)]
    answers = [_first_answer() for _ in range(rounds)]
    return [
        Row(
            goal="P12",
            what='python -c "import generalbots_api", from start to exit',
            ours=statistics.median(ours for ours, _ in imports),
            other=statistics.median(empty for _, empty in imports),
            unit="s",
            other_name="python -c pass",
            most_ours=0.35,
        ),
        Row(
            goal="P12",
            what="python -m runner to its first GET /health, new database",
            ours=statistics.median(answers),
            other=None,
            unit="s",
            most_ours=1.2,
        ),
    ]


def _timed(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def _first_answer() -> float:
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        with running_runner(folder=Path(folder)) as runner:
            urllib.request.urlopen(f"{runner.base}/health", timeout=10).read()  # noqa: S310 - our own
            return time.perf_counter() - started
