"""A bot that stands in a catalogue while the one behind it is made, replaced and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from generalbots_api.bots.keeping import Kept
from generalbots_api.bots.model import BotInfo, BotRecord, BotStatus, Piece
from generalbots_api.bots.ports import Bot, BotGone, ChecksHealth, Greets, Opening, Turn

Close = Callable[[Kept], None]


@dataclass(slots=True, eq=False)
class Version:
    """A bot made of one state of its record. Closed when it is replaced and no turn uses it."""

    kept: Kept
    close: Close
    _uses: int = 0
    _is_replaced: bool = False

    @contextmanager
    def used(self) -> Iterator[Bot]:
        self._uses += 1
        try:
            yield self.kept.bot
        finally:
            self._uses -= 1
            self._close_if_done()

    def replace(self) -> None:
        self._is_replaced = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_replaced and self._uses == 0:
            self.close(self.kept)


@dataclass(slots=True)
class Slot:
    """What there is of one record: its newest version, or None if none could be made."""

    record: BotRecord
    version: Version | None
    made_at: float  # Unix seconds
    shown: StoredBot = field(init=False)

    def __post_init__(self) -> None:
        self.show()

    def show(self) -> None:
        """Show the record as it is now; who holds what was shown before still gets the newest version."""
        greets = self.version is not None and isinstance(self.version.kept.bot, Greets)
        self.shown = (StoredGreeter if greets else StoredBot)(self.record.info, self.record.status, self)

    @property
    def works(self) -> bool:
        return self.version is not None and not self.version.kept.has_failed

    def empty(self) -> None:
        version, self.version = self.version, None
        if version is not None:
            version.replace()


@dataclass(frozen=True, slots=True, eq=False)
class StoredBot:
    """`bots.ports.Bot` and `Lends`. Its name and access are those of one state of the record."""

    info: BotInfo
    status: BotStatus
    slot: Slot = field(repr=False)

    @contextmanager
    def lend(self) -> Iterator[Bot]:
        version = self.slot.version
        if version is None or not version.kept.is_open:
            raise BotGone(f"bot {self.info.id} is not there")
        with version.used() as bot:
            yield bot

    async def health(self) -> BotStatus:
        """What an operator has set, or else what the bot says."""
        version = self.slot.version
        if self.status is not BotStatus.ONLINE:
            return self.status
        if version is None or not version.kept.is_open:
            return BotStatus.OFFLINE
        with version.used() as bot:
            return await bot.health() if isinstance(bot, ChecksHealth) else BotStatus.ONLINE

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        """For whoever runs bots otherwise than by `Running`, which borrows the bot itself."""
        with self.lend() as bot:
            async for piece in _asynchronous(bot.reply(turn)):
                yield piece


class StoredGreeter(StoredBot):
    """One whose bot speaks first."""

    __slots__ = ()

    async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
        """As `reply`."""
        with self.lend() as bot:
            if isinstance(bot, Greets):
                async for piece in _asynchronous(bot.greet(opening)):
                    yield piece


def _asynchronous(pieces: AsyncIterator[Piece] | Iterator[Piece]) -> AsyncIterator[Piece]:
    if isinstance(pieces, AsyncIterator):
        return pieces
    raise TypeError("a bot that runs in a thread is run by the service only")


async def opened(versions: list[Version], patience: float) -> None:
    """Wait until each is open or has failed, for `patience` seconds at most."""
    waiting = [asyncio.ensure_future(version.kept.settled()) for version in versions]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=patience)
        for task in late:
            task.cancel()
