"""The circuit breaker: a service that keeps failing is left alone for a while, then tried by one call."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from generalbots_api.errors import Unavailable

log = logging.getLogger("generalbots_api.directory")

FAILURES = 5
WINDOW = 30.0  # seconds in which so many failures open the circuit
PAUSE = 10.0  # seconds that it stays open before one call may try


class NotSent(Unavailable):
    """Nothing was sent, so there is nothing to try again at once."""


class CircuitOpen(NotSent):
    """The Directory has failed too often of late."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The Directory Service cannot be reached", retry_after=retry_after)


@dataclass(slots=True)
class Attempt:
    """One call. `is_failure` None: it was cancelled before anything could be told."""

    round: int
    is_failure: bool | None = None


@dataclass(slots=True)
class Breaker:
    """Closed: calls go out. Open: none does. After the pause one goes out, and what becomes of it decides.

    `monotonic` gives seconds that never go back. No method awaits, so on one
    event loop each is atomic.
    """

    monotonic: Callable[[], float]
    _failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    _opened_at: float | None = None
    _is_probing: bool = False
    _round: int = 0  # grows when it opens or closes: what was sent before decides nothing

    @property
    def is_closed(self) -> bool:
        return self._opened_at is None

    @property
    def retry_after(self) -> int | None:
        """Whole seconds, at least 1, in which no call goes out; None: the next one does."""
        if self._opened_at is None:
            return None
        left = self._opened_at + PAUSE - self.monotonic()
        return max(1, math.ceil(left)) if left > 0 or self._is_probing else None

    def check(self) -> None:
        """Raises:
        CircuitOpen: no call may go out now.
        """
        retry_after = self.retry_after
        if retry_after is not None:
            raise CircuitOpen(retry_after)

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """For the time of one call, which says in `is_failure` what became of it.

        Raises:
            CircuitOpen: it may not go out.
        """
        self.check()
        attempt = Attempt(self._round)
        self._is_probing = not self.is_closed
        try:
            yield attempt
        finally:
            if attempt.round == self._round:
                self._settle(attempt.is_failure)

    def _settle(self, is_failure: bool | None) -> None:
        is_probe, self._is_probing = self._is_probing, False
        if is_failure:
            self._failed_at.append(self.monotonic())
            if is_probe or self._is_too_much():
                self._open()
        elif is_probe and is_failure is False:
            self._close()

    def _is_too_much(self) -> bool:
        return len(self._failed_at) == FAILURES and self.monotonic() - self._failed_at[0] <= WINDOW

    def _open(self) -> None:
        if self.is_closed:
            log.error("directory.circuit_opened", extra={"failures": FAILURES, "pause_seconds": PAUSE})
        self._opened_at = self.monotonic()
        self._round += 1

    def _close(self) -> None:
        log.warning("directory.circuit_closed")
        self._opened_at = None
        self._failed_at.clear()
        self._round += 1
