"""A turn without a service, to try a bot with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from generalbots_api.bots.model import Piece
from generalbots_api.bots.ports import Bot, TurnMessage
from generalbots_api.bots.running import Running
from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Message, Sender
from generalbots_api.ids import BotSessionId, MessageId, UserId
from generalbots_api.testing.clock import NOON


def a_message(content: str, seq: int = 1, sender: str = "user") -> Message:
    """A message of the session `s1`, as a bot sees it."""
    return Message(
        message_id=MessageId(f"m{seq}"),
        session_id=BotSessionId("s1"),
        seq=seq,
        sender=Sender(sender),
        content=content,
        timestamp=NOON,
    )


@dataclass(slots=True)
class ManualTurn:
    """`generalbots_api.Turn` made of what a test gives."""

    content: str
    before: Sequence[str] = ()  # the earlier texts, of the user and the bot in turn
    memory: dict[str, object] = field(default_factory=dict)
    caller: Caller = field(default_factory=lambda: Caller(user_id=UserId("u1")))
    session_id: str = "s1"
    reply_id: str = "r1"

    @property
    def message(self) -> TurnMessage:
        return a_message(self.content, len(self.before) + 1)

    async def history(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        return self.history_sync(limit)

    def history_sync(self, limit: int = 50, /) -> Sequence[TurnMessage]:
        senders = ("user", "bot")
        every = [a_message(text, seq, senders[(seq - 1) % 2]) for seq, text in enumerate(self.before, 1)]
        return every[max(0, len(every) - limit) :]


async def answer_of(bot: Bot, turn: ManualTurn) -> list[Piece]:
    """Every piece that the bot yields, run as the service runs it. Raises what the bot raises."""
    pieces: list[Piece] = []

    async def take(piece: Piece) -> None:
        pieces.append(piece)

    await Running().run(bot, turn, take)
    return pieces
