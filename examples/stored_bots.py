"""Bots that live in the database: they appear, change and disappear while the service runs.

    uvicorn examples.stored_bots:app

Open http://127.0.0.1:8000/ and log in as alice; then add a bot in another terminal, change it, and remove it:

    python -m examples.stored_bots put desk "Help desk" "Have you tried turning it off and on again?"
    python -m examples.stored_bots remove desk
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.routing import Mount

from examples.directory import KEY, PATH, development_directory
from generalbots_api import BotInfo, BotRecord, EchoBot, GeneralBots, Piece, Settings, StoredBots, Turn
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import BotId


@dataclass(frozen=True, slots=True)
class Parrot:
    """Has one answer."""

    info: BotInfo
    answer: str

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        yield self.answer


storage = SqliteStorage("stored_bots.db")
kinds = {"parrot": lambda record: Parrot(record.info, record.options["answer"])}
provider, directory = development_directory()
bots = StoredBots(storage.bot_records, kinds=kinds, also=[EchoBot()])
gb = GeneralBots(Settings(secret_keys=[KEY]), storage=storage, directory=directory, bots=bots)
app = Starlette(routes=[Mount(PATH, app=provider)])
gb.install(app)


async def command(what: str, id: str, name: str = "", answer: str = "") -> None:
    """What the host's own administration would do, in a process of its own."""
    record = BotRecord(id=BotId(id), name=name, kind="parrot", options={"answer": answer}, updated_at=datetime.now(UTC))
    async with storage:
        await (storage.bot_records.remove(record.id) if what == "remove" else storage.bot_records.put(record))


if __name__ == "__main__":
    asyncio.run(command(*sys.argv[1:]))
