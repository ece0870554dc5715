"""What a bot is, and where bots come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

from generalbots_api.bots.model import BotInfo, BotRecord, BotStatus, Piece
from generalbots_api.caller import Caller
from generalbots_api.ids import BotId


class TurnMessage(Protocol):
    """A message of the conversation, as a bot sees it."""

    @property
    def message_id(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def sender(self) -> str:
        """ "user" or "bot"."""

    @property
    def content(self) -> str: ...
    @property
    def metadata(self) -> dict[str, object]: ...
    @property
    def timestamp(self) -> datetime: ...


class Opening(Protocol):
    """What a bot may look at whenever it speaks: in answer to a message, or first."""

    @property
    def session_id(self) -> str: ...
    @property
    def reply_id(self) -> str:
        """The `message_id` that what the bot says will have; the same should the turn be repeated."""

    @property
    def caller(self) -> Caller: ...
    @property
    def memory(self) -> MutableMapping[str, object]:
        """JSON values that are kept for this session, stored together with the reply."""


class Turn(Opening, Protocol):
    """One message to a bot, and what it may look at to answer."""

    @property
    def message(self) -> TurnMessage: ...

    async def history(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        """The messages before this one, oldest first, the last `limit` of them."""

    def history_sync(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        """The same for a bot that runs in a thread: waits for the answer.

        Raises:
            RuntimeError: this is the event loop's own thread, which must not wait.
        """


class Bot(Protocol):
    """Answers messages.

    `reply` is an async generator function: it yields pieces as they come. It
    is cancelled by cancellation of the task that runs it, and given up if it
    goes on after that. What it raises ends the reply as failed and reaches the
    log, not the client.

    If `reply` is an ordinary generator function, or the bot has an attribute
    `run_in_thread` that is true, it runs in a thread, and may block and
    compute there; it is ended at its next piece.

    A bot that is an async context manager is open while the service is.
    """

    @property
    def info(self) -> BotInfo: ...

    def reply(self, turn: Turn, /) -> AsyncIterator[Piece] | Iterator[Piece]: ...


@runtime_checkable
class Greets(Protocol):
    """A bot that speaks first: `greet` is called once, when a session opens. In all else it is as `reply`."""

    def greet(self, opening: Opening, /) -> AsyncIterator[Piece] | Iterator[Piece]: ...


About = TypeVar("About", bound=Opening)
Ask = Callable[[About], AsyncIterator[Piece] | Iterator[Piece]]
"""`reply` or `greet` of a bot."""


@runtime_checkable
class ChecksHealth(Protocol):
    """A bot that knows whether it works. Without this one is always online."""

    async def health(self) -> BotStatus:
        """Look, within 2 s; to raise or to take longer means offline."""


@runtime_checkable
class Lends(Protocol):
    """Stands for a bot that may be replaced at any time, and lends the one that is to run a turn."""

    def lend(self) -> AbstractContextManager[Bot]:
        """The bot as it is now; it is not closed before it is given back.

        Raises:
            BotGone: there is none any more, or none that works.
        """


class BotGone(RuntimeError):
    """The bot was removed, or could not be made or opened, while the turn waited."""


class BotCatalog(Protocol):
    """Where bots come from; asked at every use, so bots may come and go."""

    async def all(self) -> Sequence[Bot]:
        """Every bot there is, in the order to show them."""

    async def get(self, id: BotId, /) -> Bot | None: ...


class BotRecordStore(Protocol):
    """Keeps what bots are made of, so that they may come and go without a restart. Each method is atomic."""

    async def put(self, record: BotRecord, /) -> None:
        """Add it, or replace the one with its id."""

    async def get(self, id: BotId, /) -> BotRecord | None: ...

    async def all(self) -> list[BotRecord]:
        """Every record, by id in code point order."""

    async def remove(self, id: BotId, /) -> bool:
        """Whether there was one."""
