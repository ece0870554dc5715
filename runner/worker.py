"""A worker's side of supervision: it takes over a socket, tells that it lives, and does not outlive its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.listening import Listener

VARIABLE = "GENERALBOTS_WORKER"  # not GB_…, which is a setting
BEAT = 0.5  # seconds
LAST_RESORT = 10.0  # seconds past the grace


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a parent hands to a worker, in its environment."""

    descriptor: int  # of the listening socket
    origin: str
    host: str | None
    path: str | None  # of a Unix socket; the parent takes it away
    parent: int  # a pipe that ends when the parent does
    beat: int  # a pipe to tell on that it lives
    tells: bool  # what is open and where, as the first worker does

    @classmethod
    def given(cls, environment: Mapping[str, str]) -> Place | None:
        """None: this process is no worker."""
        text = environment.get(VARIABLE)
        if text is None:
            return None
        place = cls(**json.loads(text))
        for descriptor in (place.descriptor, place.parent, place.beat):
            os.set_inheritable(descriptor, False)
        return place

    def as_variable(self) -> str:
        return json.dumps(asdict(self))

    def listener(self) -> Listener:
        return Listener(self.descriptor, self.origin, self.host, Path(self.path) if self.path else None, is_own=False)

    def end_with_parent(self, grace: float) -> None:
        """Drain when the parent is gone; from a thread, as an event loop that is blocked would not notice."""
        threading.Thread(target=self._watch_parent, args=(grace,), daemon=True, name="parent").start()

    def _watch_parent(self, grace: float) -> None:
        os.read(self.parent, 1)  # nothing is ever written: it returns when the other end is closed
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace + LAST_RESORT)
        os._exit(1)

    async def keep_alive(self) -> None:
        """Tell the parent, first of all that this worker is ready."""
        while True:
            try:
                os.write(self.beat, b".")
            except BrokenPipeError:
                return  # there is nobody to tell
            await asyncio.sleep(BEAT)
