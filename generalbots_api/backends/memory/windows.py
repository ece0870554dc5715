"""Counters with an expiry, as a storage of the package `limits`."""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from threading import Lock

import msgspec
from limits.storage import Storage

CLOCK_SKEW = 60  # seconds
PURGE_AT_ONCE = 2
SLACK = 64


class Window(msgspec.Struct, gc=False):
    """One open window. The garbage collector does not see it: there may be a million."""

    count: int
    expires: float  # Unix seconds


class HeapStorage(Storage):
    """Fixed windows in a dict, their expiries in a heap: O(log n) for a new key, O(1) for a known one.

    The memory storage of `limits` itself looks at every live key at each hit.
    Past `max_keys` the key that expires first is dropped. Registered as
    `generalbots+memory://`. Any number of threads may use it.
    """

    STORAGE_SCHEME = ["generalbots+memory"]

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,
        max_keys: int = 1_000_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._max_keys = int(max_keys)
        self._clock = clock  # for the methods of `limits`, which pass no time
        self._windows: dict[str, Window] = {}
        self._heap: list[tuple[float, str]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return ()

    def hit(self, key: str, seconds: float, amount: int, now: float) -> tuple[int, float]:
        """Add `amount` in one step; the count, and when the window ends, in Unix seconds.

        A window that ends later than a new one would was opened before the clock went back: it is over.
        """
        self._lock.acquire()  # in half the time of `with`, which is a tenth of a decision
        try:
            if self._heap and self._heap[0][0] <= now:
                self._purge(now)
            window = self._windows.get(key)
            if window is None or not now < window.expires <= now + seconds + CLOCK_SKEW:
                window = self._open(key, now + seconds)
            window.count += amount
            return window.count, window.expires
        finally:
            self._lock.release()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self.hit(key, expiry, amount, self._clock())[0]

    def get(self, key: str) -> int:
        window = self._windows.get(key)
        return window.count if window is not None and window.expires > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends; now if none is open."""
        window, now = self._windows.get(key), self._clock()
        return max(window.expires, now) if window is not None else now

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
            self._heap.clear()
            return count

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)

    def _open(self, key: str, expires: float) -> Window:
        if key not in self._windows and len(self._windows) >= self._max_keys:
            self._drop_one()
        window = self._windows[key] = Window(0, expires)
        heappush(self._heap, (expires, key))
        if len(self._heap) > 2 * len(self._windows) + SLACK:  # full of keys that were cleared
            self._heap = [(window.expires, key) for key, window in self._windows.items()]
            heapify(self._heap)
        return window

    def _purge(self, now: float) -> None:
        """Drop a few expired keys: at most one comes in at each hit, so that none stays behind."""
        for _ in range(PURGE_AT_ONCE):
            if self._heap and self._heap[0][0] <= now:
                self._drop_first()

    def _drop_one(self) -> None:
        while not self._drop_first():
            pass

    def _drop_first(self) -> bool:
        """Whether a key went; else it had been cleared, or opened anew."""
        expires, key = heappop(self._heap)
        window = self._windows.get(key)
        if window is None or window.expires != expires:
            return False
        del self._windows[key]
        return True
