"""Counters with an expiry, as a storage of the package `limits`."""

from __future__ import annotations

import time
from heapq import heappop, heappush
from typing import Any

from limits.storage import Storage

PURGE_AT_ONCE = 4


class HeapStorage(Storage):
    """Fixed windows in a dict, with the expiries in a heap: O(log n) for a new key, O(1) for a known one.

    The memory storage of `limits` itself looks at every live key at each hit.
    Past `max_keys` the key that expires first is dropped. Registered as
    `generalbots+memory://`. Not for several threads.
    """

    STORAGE_SCHEME = ["generalbots+memory"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, max_keys: int = 1_000_000) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._max_keys = int(max_keys)
        self._windows: dict[str, list[Any]] = {}  # key -> [count, expires at]
        self._heap: list[tuple[float, str]] = []

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def hit(self, key: str, window: float, amount: int, now: float) -> tuple[int, float]:
        """Add `amount` in one step; the count, and when the window ends, in Unix seconds."""
        found = self._windows.get(key)
        if found is not None and found[1] > now:
            found[0] += amount
            return found[0], found[1]
        return self._open(key, window, amount, now)

    def _open(self, key: str, window: float, amount: int, now: float) -> tuple[int, float]:
        self._purge(now)
        while len(self._windows) >= self._max_keys and self._heap:
            self._drop_first()
        expires = now + window
        self._windows[key] = [amount, expires]
        heappush(self._heap, (expires, key))
        return amount, expires

    def _purge(self, now: float) -> None:
        """Drop a few expired keys: more than one comes in, so the rest follows."""
        for _ in range(PURGE_AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                return
            self._drop_first()

    def _drop_first(self) -> None:
        expires, key = heappop(self._heap)
        found = self._windows.get(key)
        if found is not None and found[1] == expires:  # else the key was opened anew since
            del self._windows[key]

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self.hit(key, expiry, amount, time.time())[0]

    def get(self, key: str) -> int:
        found = self._windows.get(key)
        return found[0] if found is not None and found[1] > time.time() else 0

    def get_expiry(self, key: str) -> float:
        found = self._windows.get(key)
        return found[1] if found is not None else time.time()

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count = len(self._windows)
        self._windows.clear()
        self._heap.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def __len__(self) -> int:
        return len(self._windows)
