"""A catalogue of bots whose records are in a storage: they come, change and go without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import anyio

from generalbots_api.bots.keeping import Kept
from generalbots_api.bots.lending import Slot, Version, opened
from generalbots_api.bots.listing import BotList
from generalbots_api.bots.model import BotRecord
from generalbots_api.bots.outliving import GRACE
from generalbots_api.bots.ports import Bot, BotRecordStore
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.ids import BotId

log = logging.getLogger("generalbots_api.bots")

MAX_AGE = 1.0  # seconds that records are believed
OPENING = 1.0  # seconds that a request waits for new bots to open
MADE_AGAIN = 30.0  # seconds after which a bot that could not be made or opened is tried again
Make = Callable[[BotRecord], Bot]


class StoredBots:
    """`bots.ports.BotCatalog`: makes a bot of each record by the maker of its kind.

    It is kept while its record stays as it is; what others write is seen after
    1 s at most. A bot that is replaced or removed is closed when no turn uses
    it. One that cannot be made or opened is shown as offline, and the log says
    why. Makers run on the event loop: they must not wait or compute for long.

    `also`: bots that are always there, shown first; their ids are theirs.
    """

    def __init__(
        self,
        records: BotRecordStore,
        *,
        kinds: Mapping[str, Make],
        also: Sequence[Bot] = (),
        clock: Clock | None = None,
        opening: float = OPENING,
        grace: float = GRACE,
    ) -> None:
        self._records, self._kinds = records, dict(kinds)
        self._also = BotList(tuple(also), grace)
        self._clock = clock or SystemClock()
        self._opening = opening
        self._grace = grace  # seconds that a bot may take to close
        self._slots: dict[BotId, Slot] = {}
        self._hidden: set[BotId] = set()
        self._read_at = float("-inf")
        self._reading = anyio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def all(self) -> list[Bot]:
        """Raises:
        Unavailable: the records cannot be read.
        """
        await self._refresh()
        return [*self._also.bots, *(slot.shown for slot in self._slots.values())]

    async def get(self, id: BotId, /) -> Bot | None:
        """Raises:
        Unavailable: as `all`.
        """
        always = await self._also.get(id)
        if always is not None:
            return always
        await self._refresh()
        slot = self._slots.get(id)
        return slot.shown if slot is not None else None

    async def __aenter__(self) -> Self:
        await self._also.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for slot in self._slots.values():
            slot.empty()
        self._slots, self._read_at = {}, float("-inf")
        if self._closing:
            await asyncio.wait(self._closing)
        await self._also.__aexit__(*exc_info)

    def _is_fresh(self) -> bool:
        return 0 <= self._clock.unix() - self._read_at < MAX_AGE

    async def _refresh(self) -> None:
        if self._is_fresh():
            return
        async with self._reading:
            if not self._is_fresh():
                asked_at = self._clock.unix()
                await self._follow(await self._records.all())
                self._read_at = asked_at

    async def _follow(self, records: list[BotRecord]) -> None:
        """Make the slots what the records say, in their order."""
        before, self._slots = self._slots, {}
        made = []
        for record in records:
            if self._is_hidden(record.id):
                continue
            known = before.pop(record.id) if record.id in before else Slot(record, None, float("-inf"))
            slot = self._slots[record.id] = known
            if self._is_due(slot, record):
                self._remake(slot, record)
                made += [slot.version] if slot.version is not None else []
        for slot in before.values():
            slot.empty()
        await opened(made, self._opening)

    def _is_due(self, slot: Slot, record: BotRecord) -> bool:
        is_late = not 0 <= self._clock.unix() - slot.made_at < MADE_AGAIN
        return slot.record != record or (not slot.works and is_late)

    def _remake(self, slot: Slot, record: BotRecord) -> None:
        slot.empty()
        slot.record, slot.made_at = record, self._clock.unix()
        bot = self._made(record)
        slot.version = Version(Kept(bot), self._close) if bot is not None else None
        slot.show()

    def _made(self, record: BotRecord) -> Bot | None:
        try:
            make = self._kinds.get(record.kind)
            if make is None:
                raise ValueError(f"kind: none of {', '.join(sorted(self._kinds))}")
            return make(record)
        except Exception as error:  # noqa: BLE001 - one bad record must not take the others along
            log.error("bot.record_refused", extra={"bot_id": record.id, "kind": record.kind, "error": str(error)})
            return None

    def _is_hidden(self, id: BotId) -> bool:
        if all(bot.info.id != id for bot in self._also.bots):
            return False
        if id not in self._hidden:
            self._hidden.add(id)
            log.warning("bot.record_hidden", extra={"bot_id": id})
        return True

    def _close(self, kept: Kept) -> None:
        task = asyncio.create_task(kept.close(self._grace))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
