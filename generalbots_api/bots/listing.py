"""The default catalogue: the bots given at start."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from generalbots_api.bots.keeping import Kept
from generalbots_api.bots.outliving import GRACE
from generalbots_api.bots.ports import Bot
from generalbots_api.ids import BotId

OPENING = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class BotList:
    """Opens and closes the bots that want it, with the service.

    Raises:
        ValueError: two bots have one id.
    """

    bots: tuple[Bot, ...]
    grace: float = GRACE  # seconds that a bot may take to close
    opening: float = OPENING  # seconds that a bot may take to open
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        ids = [bot.info.id for bot in self.bots]
        if len(set(ids)) != len(ids):
            raise ValueError(f"bots: two bots have one id, of {sorted(ids)}")

    async def all(self) -> tuple[Bot, ...]:
        return self.bots

    async def get(self, id: BotId, /) -> Bot | None:
        return next((bot for bot in self.bots if bot.info.id == id), None)

    async def __aenter__(self) -> Self:
        """Open the bots in their order; if one cannot be, those before it are closed again.

        Raises:
            TimeoutError: one took too long.
            Exception: what opening one raised.
        """
        async with AsyncExitStack() as stack:
            for bot in self.bots:
                kept = Kept(bot)
                stack.push_async_callback(kept.close, self.grace)
                await kept.opened(self.opening)
            self._open.push_async_callback(stack.pop_all().aclose)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()
