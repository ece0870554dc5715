"""Tells systemd how far the service is. Source: sd_notify(3). Without NOTIFY_SOCKET it tells nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger("runner")

OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class Notifier:
    address: str | None  # a path, or an abstract name that begins with @
    watchdog: float | None  # seconds within which systemd wants to hear

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier:
        address = environment.get("NOTIFY_SOCKET") or None
        wanted, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
        is_ours = wanted.isdigit() and int(wanted) > 0 and pid in (None, str(os.getpid()))
        return cls(address, int(wanted) / 1e6 if is_ours else None)

    def ready(self) -> None:
        self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """Until `ready` is told again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    async def keep_alive(self) -> None:
        """Tell that the event loop runs, twice as often as it is asked for."""
        while self.watchdog is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 2)

    def _send(self, state: str) -> None:
        """Never waits: what cannot be told is logged."""
        if self.address is None:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
                told.setblocking(False)
                told.sendto(state.encode(), name)
        except OSError as error:
            log.warning("notify.failed", extra={"reason": str(error)})
