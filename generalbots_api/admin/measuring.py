"""The figures that no other room keeps: of the process, and of its event loop."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import anyio

TICK_SECONDS = 0.5
TICKS = 20  # the lag told is the worst of the last ten seconds


@dataclass(slots=True)
class LoopLag:
    """How late the event loop wakes up what asked to be woken."""

    _lags: deque[float] = field(default_factory=lambda: deque(maxlen=TICKS))

    async def watch(self) -> None:
        """Measure for as long as the service runs."""
        while True:
            asked = time.perf_counter()
            await anyio.sleep(TICK_SECONDS)
            self._lags.append(max(0.0, time.perf_counter() - asked - TICK_SECONDS))

    @property
    def worst_ms(self) -> float:
        return round(max(self._lags, default=0.0) * 1_000, 3)


def resident_bytes() -> int:
    """Resident memory now where the system tells it; its peak elsewhere."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * _page_size()
    import resource  # noqa: PLC0415 - not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def _page_size() -> int:
    import resource  # noqa: PLC0415 - not on every system

    return resource.getpagesize()
