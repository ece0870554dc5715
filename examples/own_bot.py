"""A bot of your own: it remembers, looks back, suggests, and is for a group only.

    python -m runner --bots examples.own_bot:Notebook

Log in as alice, who is in the group staff.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from generalbots_api import BotAccess, BotInfo, Piece, Suggestions, Turn


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
