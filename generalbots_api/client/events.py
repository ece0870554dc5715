"""What a conversation tells its reader, in the order of the log."""

from __future__ import annotations

from datetime import datetime

import msgspec

from generalbots_api.client.messages import Message


class NewMessage(msgspec.Struct, frozen=True):
    """A stored message, each once, `seq` rising. `mine`: this conversation object sent it."""

    message: Message
    mine: bool = False


class ReplyStarted(msgspec.Struct, frozen=True):
    """A reply begins; said again of the same one, after a cut, it is told anew from its beginning."""

    reply_id: str  # the `message_id` of the message that it becomes
    in_reply_to: str | None = None
    bot_id: str | None = None


class ReplyDelta(msgspec.Struct, frozen=True):
    """More of a reply: to be put behind what came before of it. `index` is that of its last piece."""

    reply_id: str
    index: int
    content: str


class ReplySnapshot(msgspec.Struct, frozen=True):
    """All of a reply so far: in the place of what came before of it."""

    reply_id: str
    index: int
    content: str


class SessionUpdated(msgspec.Struct, frozen=True):
    """The session changed; after `status` "ended" nothing more comes."""

    status: str
    reason: str | None = None


class LoginExpiring(msgspec.Struct, frozen=True):
    expires_at: datetime | None = None


class Gap(msgspec.Struct, frozen=True):
    """The server lost its log, or went back to an older one: what follows is the new log from its start."""

    epoch: str


class ConnectionChanged(msgspec.Struct, frozen=True):
    """Whether the server is reached. Nothing needs to be done: what is missed meanwhile comes later."""

    connected: bool


Event = (
    NewMessage | ReplyStarted | ReplyDelta | ReplySnapshot | SessionUpdated | LoginExpiring | Gap | ConnectionChanged
)
