"""A bot whose whole answer is known from the question, and which takes its time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import anyio

from generalbots_api import BotInfo, Piece, Turn

_ORDER = re.compile(r"(\d+) pieces every (\d+) ms: ")


def order(text: str, pieces: int, milliseconds: int = 1) -> str:
    """What to ask for an answer of so many pieces."""
    return f"{pieces} pieces every {milliseconds} ms: {text}"


def pieces_of(content: str) -> list[str]:
    """The answer to it, in pieces; no two answers are alike."""
    found = _ORDER.match(content)
    count = int(found[1]) if found is not None else 1
    text = content.rpartition(": ")[2]
    return [f"[{text}·{number} é{'∎' * (number % 3)}]" for number in range(count)]


def answer_to(content: str) -> str:
    return "".join(pieces_of(content))


class Talker:
    info = BotInfo("talker", "Talker")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        found = _ORDER.match(turn.message.content)
        for piece in pieces_of(turn.message.content):
            await anyio.sleep(int(found[2]) / 1_000 if found is not None else 0)
            yield piece
