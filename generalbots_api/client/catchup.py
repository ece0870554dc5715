"""When to read the history: for messages that should have come and did not. Values in, actions out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from generalbots_api.client.actions import ReadHistory
from generalbots_api.client.logview import LogView


@dataclass(slots=True)
class CatchUp:
    """`patience` is in seconds: how long a missing message may take to come by itself, since order is not promised
    between a message of another device and one's own acknowledgement."""

    log: LogView
    patience: float
    _behind_since: float | None = None
    _dropped: bool = False  # the inbox was full

    def check(self, now: float, *, urgent: bool = False) -> list[ReadHistory]:
        log = self.log
        if log.filling or log.seq is None:
            return []
        if not log.behind:
            self._behind_since, self._dropped = None, False
            return []
        if log.inbox.full:
            self._dropped = True
            return []
        if self._behind_since is None:
            self._behind_since = now
        if self._dropped:
            return self.read() if log.inbox.roomy else []
        late = now >= self._behind_since + self.patience
        return self.read() if urgent or late or log.overflown else []

    def read(self) -> list[ReadHistory]:
        self.log.filling, self._behind_since, self._dropped = True, None, False
        return [ReadHistory(self.log.seq or 0)]

    def cut(self) -> None:
        """What was being read is given up; the next subscription tells what is missing."""
        self.log.filling, self._behind_since = False, None

    @property
    def deadline(self) -> float:
        waits = self._behind_since is not None and not self._dropped and not self.log.filling
        return (self._behind_since or 0.0) + self.patience if waits else math.inf
