"""A `gb.v1` conversation as a state machine: values in, actions out; no sockets, no clock.

Times are in seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generalbots_api.client.actions import Action, End, Hang, Reconnect, Transmit
from generalbots_api.client.catchup import CatchUp
from generalbots_api.client.closing import FLOOD, FLOOD_WAIT, Fate, error_of_close, fate_of, fate_of_refusal
from generalbots_api.client.errors import (
    ApiError,
    BadAnswer,
    ClientError,
    ConversationOver,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from generalbots_api.client.events import ConnectionChanged, Event, SessionUpdated
from generalbots_api.client.frames import Goodbye, Updated, frame
from generalbots_api.client.heartbeat import Heartbeat, Pulse
from generalbots_api.client.inbox import Inbox
from generalbots_api.client.logview import LogView
from generalbots_api.client.messages import History
from generalbots_api.client.model import Rate
from generalbots_api.client.sending import Sending

HOLE_PATIENCE = 1.0  # seconds
MAX_ASKED_WAIT = 300.0  # seconds that a server may keep us away
_HOPELESS = (Unauthorized, Forbidden, NotFound, InvalidRequest, BadAnswer)
Next = tuple[list[Action], Reconnect | None]
"""What to do now, and how to come back; None: not at all."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """One session's conversation, over as many sockets as it takes. Frames are read by `Reception`."""

    session_id: str
    log: LogView
    sending: Sending
    catch_up: CatchUp
    renewable: bool = False  # there is a way to a new login
    stable_after: float = 10.0  # seconds of a connection after which the next cut is the first again
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    connected: bool = False
    live: bool = False  # subscribed, on this connection
    was_live: bool = False
    over: bool = False
    error: ClientError | None = None  # why it is over; None: the session has ended
    rate: Rate | None = None
    goodbye: Goodbye | None = None
    ending: Updated | None = None
    subscription: str = ""  # id of the newest one
    asked_wait: float = 0.0  # seconds, by the refusal of a subscription
    expected_reply: str | None = None  # to the newest message of one's own
    stopping: str | None = None  # the reply that was to stop, and may not know
    _attempt: int = 0
    _renewed: bool = False  # the login, since all was well
    _live_since: float = math.inf
    _told_before: int = 0
    _subscriptions: int = 0

    def opened(self, now: float) -> list[Action]:
        """A socket is open."""
        self.connected, self.goodbye, self.asked_wait = True, None, 0.0
        self._live_since, self._told_before = math.inf, self.log.told
        self.heartbeat.heard(now)
        return [self.subscribe(), *self.sending.transmit_all(now)]

    def subscribe(self) -> Transmit:
        self._subscriptions += 1
        self.subscription = f"subscribe-{self._subscriptions}"
        reply = self.log.reply
        whole = reply is not None and reply.index >= 0 and not reply.broken
        return Transmit(
            frame(
                "subscribe",
                session_id=self.session_id,
                after_seq=self.log.seq,
                epoch=self.log.epoch,
                reply={"reply_id": reply.reply_id, "index": reply.index} if reply is not None and whole else None,
                id=self.subscription,
            )
        )

    def went_live(self, now: float) -> None:
        if not self.live:
            self.live = self.was_live = True
            self._live_since = now
            self.log.inbox.put(ConnectionChanged(connected=True))

    def send(
        self, id: str, content: str, now: float, *, metadata: Mapping[str, Any] | None, if_busy: str | None
    ) -> list[Action]:
        """Write a message; `Settle` comes once for it.

        Raises:
            ClientError: it is over, or the server would not take the message.
            ValueError: the id is under way.
        """
        if self.over:
            raise self.error or ConversationOver("the session has ended")
        pending = self.sending.write(id, content, metadata=metadata, if_busy=if_busy)
        return self.sending.transmit(pending, now) if self.connected and self.goodbye is None else []

    def cancel(self, reply_id: str | None) -> list[Action]:
        """Stop a reply, by default the running one; said again after a cut. Only when `connected`."""
        running = self.log.reply.reply_id if self.log.reply is not None else self.expected_reply
        self.stopping = reply_id or running
        return [self.stop()]

    def stop(self) -> Transmit:
        return Transmit(frame("cancel", session_id=self.session_id, reply_id=self.stopping))

    def renewed(self, token: str) -> list[Action]:
        return [Transmit(frame("auth", token=token))] if self.connected else []

    def history_read(self, page: History, now: float) -> list[Action]:
        actions = [action for message in page.messages for action in self.sending.sighted(message)]
        if not self.log.filling:
            return actions  # of before a cut
        try:
            more = self.log.fill(page)
        except BadAnswer as error:
            return [*actions, *self.end(error)]
        if more:
            return [*actions, *self.catch_up.read()]
        self.log.filled()
        return self.step(actions, now)

    def history_failed(self, error: ClientError, now: float) -> list[Action]:
        self.log.filling = False
        if isinstance(error, _HOPELESS):
            return self.end(error) if self.ending is None else self._finish(self.ending)
        self._forget_vague_ending()
        return [Hang(1000, "the history cannot be read")] if self.connected else []

    def take(self, now: float) -> tuple[Event | None, list[Action]]:
        """The next event for the reader; None: there is none yet, or it is over."""
        event = self.log.inbox.take()
        return event, [] if self.over or not self.live else self.step([], now)

    def step(self, actions: Sequence[Action], now: float, *, urgent: bool = False) -> list[Action]:
        """What follows from a change of the log."""
        if self.over:
            return list(actions)
        ending = self.ending
        if ending is not None and not self.log.filling:
            place = self.log.head if ending.seq is None else ending.seq - 1
            if self.log.seq is None or self.log.seq >= place:
                return [*actions, *self._finish(ending)]
        reads = self.catch_up.check(now, urgent=urgent or ending is not None) if self.live else []
        self.log.surface()
        return [*actions, *reads]

    def tick(self, now: float) -> list[Action]:
        """To be called at `deadline`."""
        if not self.connected or self.over:
            return []
        match self.heartbeat.check(now):
            case Pulse.DEAD:
                return [Hang(1000, "silence")]
            case Pulse.ASK:
                return [Transmit(frame("ping"))]
            case Pulse.GOOD:
                if self.goodbye is None and self.sending.is_overdue(now):
                    return [Hang(1000, "no acknowledgement")]
                return self.step(self.sending.due(now) if self.goodbye is None else [], now)

    @property
    def deadline(self) -> float:
        if not self.connected or self.over:
            return math.inf
        sending = self.sending.deadline if self.goodbye is None else math.inf
        return min(self.heartbeat.deadline, sending, self.catch_up.deadline if self.live else math.inf)

    def cut(self, code: int, reason: str, now: float) -> Next:
        """The socket is gone."""
        well = now >= self._live_since + self.stable_after or self.log.told > self._told_before
        if self.connected and self.live and well:
            self._attempt, self._renewed = 0, False
        if self.live and not self.over:
            self.log.inbox.put(ConnectionChanged(connected=False))
        goodbye, self.connected, self.live = self.goodbye, False, False
        self._forget_vague_ending()
        self.sending.cut()
        self.catch_up.cut()
        fate = fate_of(code)
        if goodbye is not None and not goodbye.reconnect and fate is Fate.COME_BACK:
            fate = Fate.GIVE_UP
        asked = goodbye.retry_after_ms / 1000 if goodbye is not None else self.asked_wait
        return self._next(fate, error_of_close(code, reason), max(asked, FLOOD_WAIT if code == FLOOD else 0.0))

    def refused(self, error: ApiError) -> Next:
        """The server did not want the socket."""
        return self._next(fate_of_refusal(error), error, error.retry_after or 0.0)

    def unreachable(self, error: ClientError) -> Next:
        return self._next(Fate.COME_BACK, error, 0.0)

    def end(self, error: ClientError | None) -> list[Action]:
        if self.over:
            return []
        self.over, self.error = True, error
        return [*self.sending.fail_all(error or ConversationOver("the session has ended")), End(error)]

    def _forget_vague_ending(self) -> None:
        """An end without a place counts only once the history was read to its own end; the next socket tells again."""
        if self.ending is not None and self.ending.seq is None:
            self.ending = None

    def _next(self, fate: Fate, error: ClientError, asked: float) -> Next:
        if self.over:
            return [], None
        renew = fate is Fate.RENEW
        if fate is Fate.GIVE_UP or (renew and (self._renewed or not self.renewable)):
            return self.end(error), None
        self._renewed = self._renewed or renew
        self._attempt += 1
        return [], Reconnect(self._attempt - 1, min(asked, MAX_ASKED_WAIT), renew)

    def _finish(self, ending: Updated) -> list[Action]:
        self.log.inbox.put(SessionUpdated(ending.status, ending.reason))
        return self.end(None)


def new_machine(
    session_id: str,
    *,
    after_seq: int | None = None,
    epoch: str | None = None,
    renewable: bool = False,
    ack_timeout: float = 30.0,
    max_events: int = 256,
) -> Machine:
    """A conversation that has no socket yet."""
    sending = Sending(session_id, ack_timeout)
    log = LogView(inbox=Inbox(max_events), is_mine=sending.is_mine, seq=after_seq, epoch=epoch)
    catch_up = CatchUp(log, patience=HOLE_PATIENCE)
    return Machine(session_id=session_id, log=log, sending=sending, catch_up=catch_up, renewable=renewable)
