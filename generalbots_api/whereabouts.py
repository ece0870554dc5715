"""Where a process runs, told so that another one on the same machine can see whether it is gone."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_START_TIME = 19  # the place of `starttime` in /proc/PID/stat, counted from behind the name (proc(5))


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A machine, with the namespace that its process ids belong to, and a process in it."""

    machine: str
    pid: int
    started: str  # tells two processes apart that had one id; empty where the system does not say

    @classmethod
    def now(cls) -> Self:
        """Of this process."""
        pid = os.getpid()
        return cls(machine(), pid, start_of(pid))

    @classmethod
    def of(cls, text: str) -> Self:
        """From `text`; what is not one is of no machine at all."""
        parts = text.rsplit(" ", 2)
        if len(parts) != 3 or not parts[1].isdigit():
            return cls("", 0, "")
        return cls(parts[0], int(parts[1]), parts[2])

    @property
    def text(self) -> str:
        return f"{self.machine} {self.pid} {self.started}"

    def is_gone(self, here: Whereabouts) -> bool:
        """Whether the process has certainly ended; one on another machine may well live."""
        if not self.machine or self.machine != here.machine:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # it is there, and another user's
        return bool(self.started) and start_of(self.pid) != self.started


def machine() -> str:
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()}/{namespace}"


def start_of(pid: int) -> str:
    """When the process started, in the system's own count."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return ""
