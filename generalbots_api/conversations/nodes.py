"""Which nodes live, and what becomes of the replies of those that do not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from generalbots_api.clock import Clock
from generalbots_api.conversations.draft import failure
from generalbots_api.conversations.events import Stored
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.model import NODE_LEASE, Message, MessageStatus, NewReply
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.errors import ApiError, Unavailable
from generalbots_api.ids import BotId
from generalbots_api.leases import LeaseStore
from generalbots_api.sessions.ports import BotSessionStore
from generalbots_api.whereabouts import Whereabouts

log = logging.getLogger("generalbots_api.conversations")

LEASE = timedelta(seconds=12)
BEAT = 4.0  # seconds: a reply of a node that dies is interrupted within 12 + 4 s
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Nodes:
    """Shows that this node lives, and interrupts the replies that no living node writes.

    Each message names the node that answers it, and each node holds a lease
    that it prolongs. Whatever several nodes do about one reply, the log keeps
    one.
    """

    node: str
    leases: LeaseStore
    log: ConversationLog
    sessions: BotSessionStore
    feed: Feed
    clock: Clock
    here: Whereabouts = field(default_factory=Whereabouts.now)

    async def begin(self) -> None:
        """Show that this node lives, and that those do not which ran on this machine and are gone.

        What an earlier run of this node left is nobody's either, so that is looked for before it shows itself.
        """
        await self.leave()
        for name, holder in (await self.leases.held(NODE_LEASE)).items():
            if Whereabouts.of(holder).is_gone(self.here):
                await self.leases.drop(name, holder)
        await self.interrupt_lost()
        await self._show()

    async def watch(self) -> None:
        """For as long as the service runs."""
        while True:
            await anyio.sleep(BEAT)
            try:
                await self.beat()
            except Unavailable as error:
                log.warning("node.not_shown", extra={"reason": error.message})

    async def beat(self) -> None:
        await self._show()
        await self.interrupt_lost()

    async def leave(self) -> None:
        """This node writes no more replies."""
        await self.leases.drop(NODE_LEASE + self.node, self.here.text)

    async def interrupt_lost(self) -> int:
        """Give every message that a dead node left without a reply one that says so."""
        count = 0
        while lost := await self.log.lost(self.clock.now(), AT_ONCE):
            for message in lost:
                await self._interrupt(message)
            count += len(lost)
        return count

    async def _show(self) -> None:
        now = self.clock.now()
        if not await self.leases.take(NODE_LEASE + self.node, self.here.text, now, now + LEASE):
            raise Unavailable("Another node has this one's name")

    async def _interrupt(self, message: Message) -> None:
        if message.reply_id is None:
            raise ApiError("A message without a reply id cannot be answered")
        session = await self.sessions.get(message.session_id)
        live = self.feed.live(message.session_id)
        known = live.snapshot().content if live is not None and live.reply_id == message.reply_id else ""
        reply = NewReply(
            message_id=message.reply_id,
            session_id=message.session_id,
            bot_id=session.bot_id if session is not None else BotId(""),
            in_reply_to=message.message_id,
            content=known,
            status=MessageStatus.INTERRUPTED,
            error=failure("The answer was cut off", "interrupted"),
        )
        added = await self.log.add_reply(reply, None, self.clock.now())
        await self.feed.tell(Stored(message=added.message), message.session_id)
