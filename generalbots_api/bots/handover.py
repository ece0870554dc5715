"""From a bot's thread to the event loop and back: pieces one way, the history the other."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from generalbots_api.bots.model import Piece
from generalbots_api.bots.ports import Ask, Opening, TurnMessage
from generalbots_api.caller import Caller

AHEAD = 16  # pieces


class Stopped(Exception):
    """Raised in a bot's thread: its turn is over."""


class Handover:
    """One turn. `work` runs in the thread, all else on the event loop that made this."""

    def __init__(self, ask: Ask[Any], about: Opening, at_end: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        self._ask, self._at_end = ask, at_end
        self._loop = asyncio.get_running_loop()
        self._turn = TurnElsewhere(about, self._loop)
        self._room = threading.Semaphore(AHEAD)
        self._arrived: deque[Piece] = deque()
        self._news = asyncio.Event()
        self._has_ended = False
        self._error: BaseException | None = None
        self._is_stopped = False

    async def next(self) -> Piece | None:
        """The next piece; None at the end. Raises what the bot raised."""
        while not self._arrived:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                return None
            self._news.clear()
            await self._news.wait()
        self._room.release()
        return self._arrived.popleft()

    def stop(self) -> None:
        """Have the thread end at its next piece, or at once if it waits for us."""
        self._is_stopped = True
        self._turn.stop()
        self._room.release()

    def work(self) -> None:
        error: BaseException | None = None
        try:
            self._hand_over_all()
        except Stopped:
            pass  # as it was told
        except BaseException as raised:  # noqa: BLE001 - SystemExit too: it is raised again where the turn is
            error = raised
        finally:
            self._at_end(self._loop)
        self._tell(lambda: self._end(error))

    def _hand_over_all(self) -> None:
        with ExitStack() as stack:
            pieces = self._ask(self._turn)
            if isinstance(pieces, AsyncIterator):
                pieces = _driven(pieces)
            if isinstance(pieces, Generator):
                stack.enter_context(closing(pieces))
            for piece in pieces:
                self._room.acquire()
                if self._is_stopped:
                    raise Stopped
                self._tell(partial(self._arrive, piece))

    def _tell(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            self._is_stopped = True  # the loop has been closed

    def _arrive(self, piece: Piece) -> None:
        self._arrived.append(piece)
        self._news.set()

    def _end(self, error: BaseException | None) -> None:
        self._error, self._has_ended = error, True
        self._news.set()


def _driven(pieces: AsyncIterator[Piece]) -> Iterator[Piece]:
    """An asynchronous bot, run by an event loop of this thread's own."""
    with asyncio.Runner() as runner:
        while True:
            try:
                piece = runner.run(_next_of(pieces))
            except StopAsyncIteration:
                return
            yield piece


async def _next_of(pieces: AsyncIterator[Piece]) -> Piece:
    return await anext(pieces)


class TurnElsewhere:
    """A turn as it is seen from a thread: its history is read on the event loop that the turn belongs to."""

    def __init__(self, turn: Opening, loop: asyncio.AbstractEventLoop) -> None:
        self._turn: Any = turn  # what an opening lacks of a turn is missed as from the opening itself
        self._loop = loop
        self._asked: Future[Any] | None = None
        self._is_stopped = False

    @property
    def session_id(self) -> str:
        return str(self._turn.session_id)

    @property
    def reply_id(self) -> str:
        return str(self._turn.reply_id)

    @property
    def message(self) -> TurnMessage:
        message: TurnMessage = self._turn.message
        return message

    @property
    def caller(self) -> Caller:
        caller: Caller = self._turn.caller
        return caller

    @property
    def memory(self) -> MutableMapping[str, object]:
        memory: MutableMapping[str, object] = self._turn.memory
        return memory

    async def history(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        return await asyncio.wrap_future(self._ask(limit))

    def history_sync(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        return self._ask(limit).result()

    def _ask(self, limit: int) -> Future[Sequence[TurnMessage]]:
        if self._is_stopped:
            raise Stopped
        self._asked = asyncio.run_coroutine_threadsafe(_history(self._turn, limit), self._loop)
        if self._is_stopped:  # since we looked, by somebody who did not see what we ask
            self._asked.cancel()
        return self._asked

    def stop(self) -> None:
        self._is_stopped = True
        if self._asked is not None:
            self._asked.cancel()


async def _history(turn: Any, limit: int) -> Sequence[TurnMessage]:
    messages: Sequence[TurnMessage] = await turn.history(limit)
    return messages
