"""The bus of many nodes, by Redis' publish and subscribe."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Self

from generalbots_api.backends.redis.connecting import TIMEOUT, connector, raw
from generalbots_api.backends.redis.line import Line, unavailable
from generalbots_api.backends.redis.listening import Subscriptions
from generalbots_api.bus import Listener
from generalbots_api.errors import Unavailable
from generalbots_api.listeners import Listeners

log = logging.getLogger("generalbots_api.bus")

NODE_BYTES = 12
LOSS = bytes(NODE_BYTES)  # instead of a node: something that was said there has been lost
MOST_LOSSES = 10_000  # topics that are remembered for it


class RedisBus:
    """Carries news to every process that uses the same Redis and the same `prefix`.

    `publish` waits for nobody: this process has the news at once, Redis gets it
    in the background. While Redis is away the others miss what is published;
    the bus comes back by itself, and then tells them what about. What is on its way is bounded to 10,000 pieces
    and 16 MiB, past which news are lost. It may be entered more than once, and
    is open until the last one has left.

    Raises:
        ValueError: `url` is no URL of Redis.
    """

    def __init__(self, url: str, prefix: str = "generalbots") -> None:
        self.lost = 0
        """News that could not be handed to Redis."""
        self._connect = connector(url)
        self._prefix = f"{prefix}:bus:"
        self._node = secrets.token_bytes(NODE_BYTES)  # opens each payload: one's own are not heard twice
        self._listeners = Listeners()
        self._topics: dict[bytes, str] = {}
        self._troubles: dict[str, str] = {}
        self._gap_listeners: list[Callable[[str], None]] = []
        self._losses: dict[bytes, None] = {}
        self._openings = 0
        self._line: Line | None = None
        self._subscriptions: Subscriptions | None = None

    @property
    def is_up(self) -> bool:
        """Whether, as far as is known, news go out and come in."""
        return not self._troubles

    async def publish(self, topic: str, payload: bytes, /) -> None:
        self._listeners.tell(topic, payload)
        if self._line is None:
            return
        channel = raw(self._prefix + topic)
        try:
            self._line.post("PUBLISH", channel, self._node + payload, size=len(payload))
            self._tell_of_losses(self._line)
        except Unavailable:
            self._note_loss(channel)

    def reaches(self, topic: str, but: int, /) -> bool:
        return True  # other nodes may listen

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        """Listen from now on; news of other processes come as soon as Redis knows: see `settled`."""
        if topic not in self._listeners:
            self._want(topic)
        leave_topic = self._listeners.add(topic, listener)

        def leave() -> None:
            leave_topic()
            if topic not in self._listeners:
                self._forgo(topic)

        return leave

    def on_gap(self, listener: Callable[[str], None], /) -> None:
        self._gap_listeners.append(listener)

    async def settled(self) -> None:
        """Wait until Redis has confirmed every subscription there is now."""
        if self._subscriptions is not None:
            await self._subscriptions.settled()

    async def ping(self) -> None:
        """Raise `Unavailable` if Redis does not answer, or sends no news."""
        if self._line is None or self._subscriptions is None:
            raise Unavailable("The bus is not open")
        if self._subscriptions.down is not None:
            raise unavailable(self._subscriptions.down)
        await self._line.ping()

    async def __aenter__(self) -> Self:
        self._openings += 1
        if self._openings > 1:
            return self
        self._line = Line(self._connect, self._note_line, self._note_loss)
        subscriptions = Subscriptions(self._connect, self._hear, self._note_subscriptions, self._note_gap)
        self._subscriptions = subscriptions
        for topic in self._listeners.topics():
            self._want(topic)
        subscriptions.start()
        settled = asyncio.ensure_future(subscriptions.settled())
        await asyncio.wait([settled], timeout=TIMEOUT)
        settled.cancel()  # it goes on without Redis
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._openings -= 1
        if self._openings:
            return
        line, subscriptions = self._line, self._subscriptions
        self._line = self._subscriptions = None
        if subscriptions is not None:
            await subscriptions.close()
        if line is not None:
            await line.flush()
            await line.close()

    def _want(self, topic: str) -> None:
        channel = raw(self._prefix + topic)
        self._topics[channel] = topic
        if self._subscriptions is not None:
            self._subscriptions.want(channel)

    def _forgo(self, topic: str) -> None:
        channel = raw(self._prefix + topic)
        if self._topics.pop(channel, None) is not None and self._subscriptions is not None:
            self._subscriptions.forgo(channel)

    def _hear(self, channel: bytes, payload: bytes) -> None:
        topic = self._topics.get(channel)
        if topic is None or payload.startswith(self._node):
            return
        if payload.startswith(LOSS):
            self._note_gap(channel)
            return
        try:
            self._listeners.tell(topic, payload[NODE_BYTES:])
        except Exception:  # of another version, or of somebody else: the next ones must come through
            log.exception("bus.news_failed", extra={"topic": topic})

    def _note_gap(self, channel: bytes) -> None:
        topic = self._topics.get(channel)
        if topic is not None:
            for listener in self._gap_listeners:
                listener(topic)

    def _note_loss(self, channel: bytes) -> None:
        self.lost += 1
        if len(self._losses) < MOST_LOSSES:
            self._losses[channel] = None

    def _tell_of_losses(self, line: Line) -> None:
        """So that the others look for themselves, where they can."""
        while self._losses:
            try:
                line.post("PUBLISH", next(iter(self._losses)), LOSS)
            except Unavailable:
                return
            del self._losses[next(iter(self._losses))]

    def _note_line(self, reason: str | None) -> None:
        self._note("publishing", reason)
        if reason is None and self._line is not None:
            self._tell_of_losses(self._line)
        if reason is not None and self._subscriptions is not None:
            self._subscriptions.doubt(reason)

    def _note_subscriptions(self, reason: str | None) -> None:
        self._note("listening", reason)
        if reason is not None and self._line is not None:
            self._line.doubt()

    def _note(self, part: str, reason: str | None) -> None:
        """One line when Redis goes, and one when all is well again."""
        if reason is not None:
            if not self._troubles:
                log.error("bus.down", extra={"reason": reason})
            self._troubles[part] = reason
        elif self._troubles.pop(part, None) is not None and not self._troubles:
            log.warning("bus.back", extra={"lost": self.lost})
