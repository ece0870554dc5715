"""One turn of a bot, run so that whatever the bot does ends with its turn."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from generalbots_api.bots.model import Piece
from generalbots_api.bots.outliving import GRACE, Gone, end, tamed
from generalbots_api.bots.ports import Ask, Bot, Greets, Opening
from generalbots_api.bots.threads import BotThreads

log = logging.getLogger("generalbots_api.bots")

MAX_BLANKS = 10_000  # empty pieces and suggestions of one turn
Take = Callable[[Piece], Awaitable[None]]
Over = Callable[[BaseException | None], None]


class Cut(Exception):
    """The turn was ended from outside."""


@dataclass(slots=True)
class Running:
    """Runs each turn in a task of its own, or in a thread if the bot asks for one.

    A bot that swallows its cancellation is given up after `grace` seconds: the
    turn ends, and what the bot still yields is dropped.
    """

    grace: float = GRACE  # seconds
    threads: BotThreads = field(default_factory=BotThreads)

    def begin(
        self,
        bot: Bot,
        about: Callable[[], Awaitable[Opening]],
        take: Take,
        over: Over,
        *,
        bot_id: str,
        is_greeting: bool = False,
    ) -> Run:
        """Have the bot reply, or greet: each piece is handed to `take`, in order, and then `over` is called, once.

        Nothing of it has happened yet when this returns. `about` gives what the
        bot may look at, in the bot's own task. `over` gets None, or why there
        is nothing more:

        - TypeError: `reply` gives no pieces, or one that is neither text nor suggestions.
        - BotGone: the bot was removed while the turn waited.
        - NoThread: every thread for bots is taken, and none came free in time.
        - Gone: the bot cancelled or ended its own task.
        - Cut: `Run.cut`.
        - Exception: what the bot, `about` or `take` raised.
        """
        run = Run(bot, about, take, over, self, is_greeting)
        # not by `create_task`: a host's eager factory of tasks would run the bot's first steps here and now
        run.task = task = asyncio.Task(run.drive(), loop=asyncio.get_running_loop(), name=bot_id)
        task.add_done_callback(run.task_ended)
        return run

    async def run(self, bot: Bot, about: Opening, take: Take, *, is_greeting: bool = False) -> None:
        """The same for somebody who waits until the bot has ended. Raises what `over` would get."""
        outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        async def given() -> Opening:
            return about

        def over(error: BaseException | None) -> None:
            if not outcome.done():
                outcome.set_result(error)

        run = self.begin(bot, given, take, over, bot_id=bot.info.id, is_greeting=is_greeting)
        try:
            error = await outcome
        finally:
            run.cut()
            await run.ended()
        if error is not None:
            raise error

    def pieces(self, bot: Bot, ask: Ask[Any], about: Opening) -> AsyncIterator[Piece]:
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


@dataclass(slots=True, eq=False)
class Run:
    """The bot's own task, and what becomes of it. It is over once it is told so, though the task may go on."""

    bot: Bot
    about: Callable[[], Awaitable[Opening]]
    take: Take
    over: Over | None  # None: it has been told
    running: Running
    is_greeting: bool
    task: asyncio.Task[None] = field(init=False)
    _is_cut: bool = False
    _given: Opening | None = None  # by `about`
    _pieces: AsyncIterator[Piece] | None = None
    _lent: AbstractContextManager[Bot] | None = None

    @property
    def is_over(self) -> bool:
        return self.over is None

    def cut(self) -> None:
        """End it now; `ended` sees to the task."""
        if self.over is not None:
            self._is_cut = True
            self._settle(Cut())

    async def ended(self) -> None:
        """Return when the task has ended, or is given up; the bot is given back then."""
        try:
            if not self.task.done():
                if self._given is not None:
                    self.task.set_name(f"turn of bot {self.task.get_name()} in {self._given.session_id}")
                await end(self.task, self.running.grace, is_ending=not self._is_cut)
        finally:
            self._give_back()

    async def drive(self) -> None:
        try:
            await self._take_all()
        except (KeyboardInterrupt, GeneratorExit):
            raise  # the process ends, or nothing will ever wake this task again
        except BaseException as error:  # noqa: BLE001 - foreign code; SystemExit would end the process
            self._settle(tamed(error))  # before closing, which may never return
            await self._close()
        else:
            self._settle(None)

    async def _take_all(self) -> None:
        about = self._given = await self.about()
        if self.over is None:
            raise Gone("it was ended before it began")
        bot = self._borrowed()
        if self.is_greeting and not isinstance(bot, Greets):
            return
        ask: Ask[Any] = bot.greet if self.is_greeting else bot.reply  # type: ignore[attr-defined] # looked at above
        pieces = self._pieces = self.running.pieces(bot, ask, about)
        blanks = 0
        async for piece in pieces:
            if self.over is None:
                raise Gone("it went on after its end")
            if not isinstance(piece, str) or not piece:
                blanks += 1
                if blanks > MAX_BLANKS:
                    raise ValueError(f"over {MAX_BLANKS} pieces without text")
            await self.take(piece)
            await asyncio.sleep(0)  # a bot that never waits gives way at each piece all the same

    def task_ended(self, task: asyncio.Task[None]) -> None:
        if self.over is not None:
            if not task.cancelled():
                task.exception()  # it is looked at, so that nobody is told that nobody looked
            self._settle(Gone("its task ended"))
        self._give_back()

    def _settle(self, error: BaseException | None) -> None:
        """Neither who is told nor the error is kept: both lead back here, and only the collector would free them."""
        over, self.over = self.over, None
        if over is not None:
            over(error)

    def _borrowed(self) -> Bot:
        """The bot itself, or the one that it stands for now, until the turn has ended."""
        # `isinstance(bot, Lends)` would be a fifth of all that a turn costs here
        lend: Callable[[], AbstractContextManager[Bot]] | None = getattr(self.bot, "lend", None)
        if lend is None:
            return self.bot
        lent = lend()
        bot = lent.__enter__()
        self._lent = lent
        return bot

    def _give_back(self) -> None:
        """Once, when the task has ended, or was given up."""
        lent, self._lent = self._lent, None
        if lent is None:
            return
        try:
            lent.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001 - foreign code, and the reply is to be stored all the same
            log.warning("bot.not_given_back", extra={"error": repr(error)})

    async def _close(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close is None:
            return
        try:
            await close()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as above, and its turn is over
            log.warning("bot.close_failed", extra={"error": repr(error)})
