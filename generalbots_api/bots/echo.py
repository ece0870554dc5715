"""A bot that says what it heard: for a first try, for tests and for benchmarks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from generalbots_api.bots.model import BotInfo, Piece, Suggestions
from generalbots_api.bots.ports import Turn


@dataclass(frozen=True, slots=True)
class EchoBot:
    """Answers with the message itself, word by word."""

    info: BotInfo = BotInfo("echo", "Echo", "Says what you say, word by word.")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        words = turn.message.content.split(" ")
        for place, word in enumerate(words):
            yield word if place == 0 else f" {word}"
        if turn.message.seq == 1:
            yield Suggestions(("Hello", "What can you do?"))
