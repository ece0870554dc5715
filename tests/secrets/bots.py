"""A bot that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from generalbots_api import BotInfo, Piece, Turn


@dataclass(frozen=True)
class AngryBot:
    info: BotInfo = BotInfo("angry", "Angry", "Raises.")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        yield "No"
        raise RuntimeError("enough")
