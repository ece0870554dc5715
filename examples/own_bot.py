"""A bot of your own: it remembers, looks back, suggests, and is for a group only.

    uvicorn examples.own_bot:app        (or: python -m runner --bots examples.own_bot:Notebook)

Open http://127.0.0.1:8000/ and log in as alice, who is in the group staff; bob does not see the bot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import Mount

from examples.directory import KEY, PATH, development_directory
from generalbots_api import BotAccess, BotInfo, GeneralBots, Piece, Settings, Suggestions, Turn
from generalbots_api.backends.memory import MemoryStorage


@dataclass(frozen=True, slots=True)
class Notebook:
    """Keeps notes for a session: "note TEXT" adds one, anything else shows them."""

    info: BotInfo = BotInfo(
        "notebook", "Notebook", "Keeps notes for the staff.", BotAccess(groups=frozenset({"staff"}))
    )

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        notes = [str(note) for note in notes_of(turn)]
        word, _, text = turn.message.content.partition(" ")
        if word.lower() == "note" and text:
            turn.memory["notes"] = [*notes, text]
            yield f"Noted. That is number {len(notes) + 1}."
            return
        earlier = await turn.history(10)
        yield f"You have {len(notes)} notes, and we have exchanged {len(earlier)} messages."
        for place, note in enumerate(notes, 1):
            yield f"\n{place}. {note}"
        yield Suggestions(("note buy milk", "show them"))


def notes_of(turn: Turn) -> list[object]:
    notes = turn.memory.get("notes")
    return notes if isinstance(notes, list) else []


provider, directory = development_directory()
gb = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), directory=directory, bots=[Notebook()])
app = Starlette(routes=[Mount(PATH, app=provider)])
gb.install(app)
