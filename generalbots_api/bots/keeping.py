"""Bots that are async context managers, open for as long as they are needed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

import anyio

from generalbots_api.bots.outliving import GRACE, end, tamed
from generalbots_api.bots.ports import Bot

log = logging.getLogger("generalbots_api.bots")


class Kept:
    """One bot, entered and left by a task of its own, as what a task enters it must also leave.

    A bot that is no async context manager is open at once.
    """

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self._opened = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if isinstance(bot, AbstractAsyncContextManager):
            self._task = asyncio.create_task(self._keep(bot), name=f"bot {bot.info.id}")
        else:
            self._opened.set_result(None)

    @property
    def is_open(self) -> bool:
        return self._opened.done() and self._opened.result() is None

    @property
    def has_failed(self) -> bool:
        return self._opened.done() and self._opened.result() is not None

    async def settled(self) -> None:
        """Wait until the bot is open, or cannot be opened."""
        await asyncio.wait([self._opened])

    async def opened(self, timeout: float) -> None:
        """Wait until the bot is open, for `timeout` seconds.

        Raises:
            TimeoutError: it took longer.
            Exception: what opening it raised.
        """
        try:
            with anyio.fail_after(timeout):
                await self.settled()
        except TimeoutError:
            raise TimeoutError(f"bot {self.bot.info.id} did not open within {timeout:g} s") from None
        error = self._opened.result()
        if error is not None:
            raise error

    async def close(self, grace: float = GRACE) -> None:
        """Leave the bot; it is given up if that takes longer than the grace (seconds)."""
        self._closing.set()
        if self._task is not None:
            await end(self._task, grace, is_ending=self.is_open)

    async def _keep(self, bot: AbstractAsyncContextManager[object]) -> None:
        try:
            async with bot:
                self._opened.set_result(None)
                await self._closing.wait()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code
            if self._opened.done():
                log.warning("bot.close_failed", extra={"bot_id": str(self.bot.info.id), "error": repr(error)})
            else:
                log.error("bot.open_failed", extra={"bot_id": str(self.bot.info.id), "error": repr(error)})
                self._opened.set_result(tamed(error))
