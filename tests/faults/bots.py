"""Bots that try a service's patience."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from generalbots_api import BotInfo, Piece, Turn

PIECE = "0123456789abcdef" * 1_024


class Flood:
    """Says as many times 16 KiB as it is asked for, at some 8 MB/s."""

    info = BotInfo("flood", "Flood")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        for _ in range(int(turn.message.content.partition(".")[0])):
            yield PIECE
            await anyio.sleep(0.002)


class Slow:
    """Says a word every tenth of a second, as many as it is asked for."""

    info = BotInfo("slow", "Slow")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        for number in range(int(turn.message.content)):
            yield f"{number} "
            await anyio.sleep(0.1)
