"""Bots: which ones a caller may use, and whether they work."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import anyio

from generalbots_api.bots.model import BotInfo, BotStatus
from generalbots_api.bots.outliving import outlive
from generalbots_api.bots.ports import Bot, BotCatalog, ChecksHealth
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import Forbidden, NotFound, Unavailable
from generalbots_api.ids import BotId
from generalbots_api.locks import KeyedLocks

log = logging.getLogger("generalbots_api.bots")

HEALTH_TIMEOUT = 2.0  # seconds
HEALTH_GRACE = 0.2  # seconds
HEALTH_MAX_AGE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class ListedBot:
    info: BotInfo
    status: BotStatus


@dataclass(slots=True)
class Bots:
    """Finds bots for callers. What a bot says of its health is believed for 5 s."""

    catalog: BotCatalog
    clock: Clock
    health_timeout: float = HEALTH_TIMEOUT
    _asking: KeyedLocks = field(default_factory=KeyedLocks)
    _health: dict[str, tuple[Bot, float, BotStatus]] = field(default_factory=dict)

    async def listed(self, caller: Caller) -> list[ListedBot]:
        """The bots that this caller may use, in the catalog's order."""
        bots = [bot for bot in await self.catalog.all() if bot.info.access.allows(caller)]
        return await self._with_status(bots)

    async def all(self) -> list[ListedBot]:
        return await self._with_status(list(await self.catalog.all()))

    async def permitted(self, caller: Caller, id: BotId) -> Bot:
        """A bot that the caller may use, whether it works or not.

        Raises:
            NotFound: there is no such bot.
            Forbidden: the caller may not use it.
        """
        bot = await self.catalog.get(id)
        if bot is None:
            raise NotFound("There is no such bot")
        if not bot.info.access.allows(caller):
            raise Forbidden("You may not use this bot")
        return bot

    async def usable(self, caller: Caller, id: BotId) -> Bot:
        """A bot that the caller may use and that works.

        Raises:
            NotFound, Forbidden: as `permitted`.
            Unavailable: it is offline or in maintenance.
        """
        bot = await self.permitted(caller, id)
        status = await self.status(bot)
        if status is not BotStatus.ONLINE:
            raise Unavailable(f"This bot is {'offline' if status is BotStatus.OFFLINE else 'in maintenance'}")
        return bot

    async def status(self, bot: Bot) -> BotStatus:
        if not isinstance(bot, ChecksHealth):
            return BotStatus.ONLINE
        id = bot.info.id
        known = self._known(bot)
        if known is None:
            async with self._asking.hold(id):  # one asks, and the others hear the answer
                known = self._known(bot)
                if known is None:
                    known = await self._ask(bot, id)
                    self._health[id] = (bot, self.clock.unix(), known)
        return known

    def _known(self, bot: Bot) -> BotStatus | None:
        """What this very bot said, if it may still be believed; another with its id has to be asked."""
        asked, at, status = self._health.get(bot.info.id, (None, 0.0, BotStatus.OFFLINE))
        return status if asked == bot and 0 <= self.clock.unix() - at < HEALTH_MAX_AGE else None

    async def _ask(self, bot: ChecksHealth, id: str) -> BotStatus:
        try:
            with anyio.fail_after(self.health_timeout):
                return BotStatus(await outlive(bot.health, grace=HEALTH_GRACE, what=f"health of bot {id}"))
        except Exception as error:  # noqa: BLE001 - a bot is foreign code, and to raise means offline
            log.warning("bot.health_failed", extra={"bot_id": id, "error": repr(error)})
            return BotStatus.OFFLINE

    async def _with_status(self, bots: list[Bot]) -> list[ListedBot]:
        """All at the same time, in the order given."""
        statuses: dict[int, BotStatus] = {}

        async def look(place: int, bot: Bot) -> None:
            statuses[place] = await self.status(bot)

        async with anyio.create_task_group() as tasks:
            for place, bot in enumerate(bots):
                tasks.start_soon(look, place, bot)
        return [ListedBot(bot.info, statuses[place]) for place, bot in enumerate(bots)]
