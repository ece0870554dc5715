"""Bot records in memory."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from generalbots_api.backends.memory.guards import check_room, check_text
from generalbots_api.bots.model import BotRecord
from generalbots_api.ids import BotId


class MemoryBotRecordStore:
    """Options are kept as JSON: what their sender changes later changes nothing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: dict[BotId, tuple[BotRecord, bytes]] = {}

    async def put(self, record: BotRecord, /) -> None:
        check_text(record)
        if record.id not in self._records:
            check_room(len(self._records), self._most)
        self._records[record.id] = (replace(record, options={}), msgspec.json.encode(record.options))

    async def get(self, id: BotId, /) -> BotRecord | None:
        found = self._records.get(id)
        return _whole(*found) if found is not None else None

    async def all(self) -> list[BotRecord]:
        return [_whole(*self._records[id]) for id in sorted(self._records)]

    async def remove(self, id: BotId, /) -> bool:
        return self._records.pop(id, None) is not None


def _whole(record: BotRecord, options: bytes) -> BotRecord:
    return replace(record, options=msgspec.json.decode(options))
