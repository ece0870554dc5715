"""The part of a conversation that is sent along, bounded by messages and characters."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.bots.ports import Turn, TurnMessage


@dataclass(frozen=True, slots=True)
class Window:
    """The newest messages before the one to answer, whole ones only."""

    messages: int
    chars: int

    def __post_init__(self) -> None:
        if not 0 <= self.messages <= 1_000:
            raise ValueError("history_messages: must be 0 to 1,000")
        if self.chars < 0:
            raise ValueError("history_chars: must be 0 or more")

    async def of(self, turn: Turn) -> list[TurnMessage]:
        """Oldest first; messages without text, as of replies that failed at once, are left out."""
        if not (self.messages and self.chars):
            return []
        kept: list[TurnMessage] = []
        left = self.chars
        for message in reversed(await turn.history(self.messages)):
            left -= len(message.content)
            if left < 0:
                break
            if message.content.strip():
                kept.append(message)
        return kept[::-1]
