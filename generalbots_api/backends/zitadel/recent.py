"""What was written lately by this process: Zitadel's reads lag behind, and must neither undo nor deny it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LAG = 10.0  # seconds after which reads are believed again
MAX_KEPT = 10_000  # writes; the oldest go

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Recent(Generic[K, V]):
    monotonic: Callable[[], float]
    _kept: dict[K, tuple[float, V]] = field(default_factory=dict)  # oldest first

    def put(self, key: K, value: V) -> None:
        self._kept.pop(key, None)
        self._kept[key] = self.monotonic(), value
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    def get(self, key: K) -> V | None:
        written_at, value = self._kept.get(key, (-LAG, None))
        return value if self.monotonic() - written_at < LAG else None
