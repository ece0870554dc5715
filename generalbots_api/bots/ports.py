"""What a bot is, and where bots come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

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


class Turn(Protocol):
    """One message to a bot, and what it may look at to answer."""

    @property
    def session_id(self) -> str: ...
    @property
    def message(self) -> TurnMessage: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def memory(self) -> MutableMapping[str, object]:
        """JSON values that are kept for this session, stored together with the reply."""

    async def history(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        """The messages before this one, oldest first, the last `limit` of them."""


class Bot(Protocol):
    """Answers messages.

    `reply` is an async generator function: it yields pieces as they come. It
    is cancelled by cancellation of the task that runs it. What it raises ends
    the reply as failed and reaches the log, not the client.
    """

    @property
    def info(self) -> BotInfo: ...

    def reply(self, turn: Turn, /) -> AsyncIterator[Piece]: ...


@runtime_checkable
class ChecksHealth(Protocol):
    """A bot that knows whether it works. Without this one is always online."""

    async def health(self) -> BotStatus:
        """Look, within 2 s; to raise or to take longer means offline."""


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
