"""What a service does in the background while its backends are open."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from generalbots_api.errors import Unavailable
from generalbots_api.news import Readers
from generalbots_api.services import Services

log = logging.getLogger("generalbots_api")

PRUNE_SECONDS = 60
AGAIN_SECONDS = 1.0  # until work that failed begins again
Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Watches sockets and the event loop, and removes what has expired."""

    services: Services

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What works in the background while the backends are open."""
        self.services.sockets.is_draining = False
        services, chat = self.services, self.services.chat
        readers = Readers(services.login_sessions, chat.current_bots, services.sockets)
        leaves = [readers.subscribe(services.bus), chat.control.subscribe(chat.turns)]
        await chat.nodes.begin()
        async with anyio.create_task_group() as tasks:
            for work in self._works():
                tasks.start_soon(kept_up, work)
            yield
            tasks.cancel_scope.cancel()
        for leave in leaves:
            leave()
        try:
            await chat.nodes.leave()
        except Unavailable as error:  # the lease ends by itself
            log.warning("node.not_left", extra={"reason": error.message})

    def _works(self) -> list[Work]:
        services = self.services
        sockets, nodes, revocations = services.sockets, services.chat.nodes, services.revocations
        works: list[Work] = [sockets.watch, sockets.watch_logins, services.lag.watch, nodes.watch, self._prune]
        return works if revocations is None else [*works, revocations.work]

    async def _prune(self) -> None:
        """Remove what has expired, every minute."""
        while True:
            await anyio.sleep(PRUNE_SECONDS)
            try:
                await self.prune()
            except Unavailable:
                log.exception("prune.failed")

    async def prune(self) -> None:
        now = self.services.clock.now()
        for login in await self.services.storage.logins.prune(now, self.services.idle_timeout):
            await self.services.newsroom.login_ended(login)
        await self.services.storage.pending_logins.prune(now)
        await self.services.storage.seen_tokens.prune(now)
        await self.services.storage.leases.prune(now)


async def kept_up(work: Work) -> None:
    """A bug, maybe of the host's own storage, bus or bots, is logged, and ends neither this work nor the service."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("upkeep.failed")
        await anyio.sleep(AGAIN_SECONDS)
