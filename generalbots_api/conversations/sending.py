"""A message on its way into a conversation, and whoever is to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from generalbots_api.bots.ports import Bot
from generalbots_api.caller import Caller
from generalbots_api.conversations.model import Added
from generalbots_api.ids import BotId, BotSessionId, MessageId, new_id

IfBusy = Literal["queue", "interrupt", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a client sends, whatever the door. `id` makes the send safe to repeat.

    `message_id` is for a door that must know it before the message is stored.
    """

    session_id: BotSessionId
    content: str
    id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    if_busy: IfBusy = "queue"
    message_id: MessageId = field(default_factory=lambda: MessageId(new_id()))


def unheard(added: Added) -> None:
    """For a door that needs no word between the commit and the first piece of the reply."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is to answer a message, and in whose name."""

    bot: Bot
    bot_id: BotId  # as it was then: a bot is foreign code, and may not say it again
    caller: Caller
    request_id: str
