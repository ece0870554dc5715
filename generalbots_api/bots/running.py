"""One turn of a bot, run so that whatever the bot does ends with its turn."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import AsyncGeneratorType, GeneratorType

from generalbots_api.bots.leash import Cut, Leash
from generalbots_api.bots.model import Piece
from generalbots_api.bots.outliving import GRACE, Gone, end, tamed
from generalbots_api.bots.ports import About, Ask, Bot, Greets, Opening, Turn
from generalbots_api.bots.threads import BotThreads

log = logging.getLogger("generalbots_api.bots")

MAX_BLANKS = 10_000  # empty pieces and suggestions of one turn
Take = Callable[[Piece], Awaitable[None]]


@dataclass(slots=True)
class Running:
    """Runs each turn in a task of its own, or in a thread if the bot asks for one.

    A bot that swallows its cancellation is given up after `grace` seconds: the
    turn ends, and what the bot still yields is dropped.
    """

    grace: float = GRACE  # seconds
    threads: BotThreads = field(default_factory=BotThreads)

    async def run(self, bot: Bot, turn: Turn, take: Take, leash: Leash | None = None) -> None:
        """Hand each piece of the bot's reply to `take`, in order; return when the bot has ended.

        Raises:
            TypeError: `reply` gives no pieces, or one that is neither text nor suggestions.
            BotGone: it was removed while the turn waited.
            NoThread: every thread for bots is taken, and none came free in time.
            Gone: the bot cancelled or ended its own task.
            Cut: by the leash.
            Exception: what the bot or `take` raised.
        """
        with lent(bot) as real:
            await self._run(real, real.reply, turn, take, leash or Leash())

    async def greet(self, bot: Bot, opening: Opening, take: Take, leash: Leash | None = None) -> None:
        """The same for what the bot says first; nothing if it does not greet."""
        with lent(bot) as real:
            if isinstance(real, Greets):
                await self._run(real, real.greet, opening, take, leash or Leash())

    async def _run(self, bot: Bot, ask: Ask[About], about: About, take: Take, leash: Leash) -> None:
        if leash.is_cut:
            raise Cut
        run = _Run(self._pieces(bot, ask, about), take)
        task = asyncio.create_task(run.drive(), name=bot.info.id)
        task.add_done_callback(lambda _: run.settle(Gone("its task ended")))  # unless it is known better already
        leash.put_on(run.settle)
        error: BaseException | None = None
        has_ended = False
        try:
            error = await run.outcome
            has_ended = not leash.is_cut
        finally:
            leash.take_off()
            run.is_stopped = True
            if not task.done():
                task.set_name(f"turn of bot {bot.info.id} in {about.session_id}")
                await end(task, self.grace, is_ending=has_ended)
        if error is not None:
            raise error

    def _pieces(self, bot: Bot, ask: Ask[About], about: About) -> AsyncIterator[Piece]:
        if getattr(bot, "run_in_thread", False):
            return self.threads.pieces(bot, ask, about)
        pieces = ask(about)
        if isinstance(pieces, AsyncGeneratorType):  # what most bots give; the rest is dearer to tell
            return pieces
        if isinstance(pieces, GeneratorType):  # it has not begun, and never will: an ordinary one belongs into a thread
            return self.threads.pieces(bot, ask, about)
        if inspect.iscoroutine(pieces):
            pieces.close()
        if not isinstance(pieces, AsyncIterator):
            raise TypeError(f"bot {bot.info.id} gives no pieces: write `yield` in it")
        return pieces


def lent(bot: Bot) -> AbstractContextManager[Bot]:
    """The bot itself, or the one that it stands for now."""
    # `isinstance(bot, Lends)` would be a fifth of all that a turn costs here
    lend: Callable[[], AbstractContextManager[Bot]] | None = getattr(bot, "lend", None)
    return nullcontext(bot) if lend is None else lend()


@dataclass(slots=True)
class _Run:
    """The bot's own task, and what became of it."""

    pieces: AsyncIterator[Piece]
    take: Take
    is_stopped: bool = False
    outcome: asyncio.Future[BaseException | None] = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = asyncio.get_running_loop().create_future()

    async def drive(self) -> None:
        try:
            await self._take_all()
        except (KeyboardInterrupt, GeneratorExit):
            raise  # the process ends, or nothing will ever wake this task again
        except BaseException as error:  # noqa: BLE001 - foreign code; SystemExit would end the process
            self.settle(tamed(error))  # before closing, which may never return
            await self._close()
        else:
            self.settle(None)

    async def _take_all(self) -> None:
        blanks = 0
        async for piece in self.pieces:
            if self.is_stopped:
                raise Gone("it went on after its end")
            if not isinstance(piece, str) or not piece:
                blanks += 1
                if blanks > MAX_BLANKS:
                    raise ValueError(f"over {MAX_BLANKS} pieces without text")
            await self.take(piece)
            await asyncio.sleep(0)  # a bot that never waits gives way at each piece all the same

    def settle(self, error: BaseException | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(error)

    async def _close(self) -> None:
        close = getattr(self.pieces, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as above, and its turn is over
            log.warning("bot.close_failed", extra={"error": repr(error)})
