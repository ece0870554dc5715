"""Messages of one's own on their way: sent again with the same id until the server has an answer to each.

Values in, actions out. Times are in seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generalbots_api.client.actions import Action, Settle, Transmit
from generalbots_api.client.errors import ClientError, Problem, error_of
from generalbots_api.client.frames import Ack, Failure, Limits, frame
from generalbots_api.client.messages import Message, Sent
from generalbots_api.client.pace import Pace

MAX_OWN = 1024
MAX_TRIES = 8  # of a message that the server puts off
PUT_OFF = 1.0  # seconds, when the server does not say


@dataclass(slots=True, kw_only=True)
class Pending:
    """`sent_at` None: not on this connection, or to be sent again at `due_at`."""

    id: str
    content: str
    metadata: Mapping[str, Any]
    text: str  # the frame
    tries: int = 0
    sent_at: float | None = None
    due_at: float = math.inf
    is_paced: bool = False  # waits for its turn, not for the server


@dataclass(slots=True)
class Sending:
    """In the order in which they were written. Bounded by the caller: a send waits for its answer."""

    session_id: str
    ack_timeout: float
    limits: Limits = Limits()
    pace: Pace = field(default_factory=Pace)
    _pending: dict[str, Pending] = field(default_factory=dict)
    _own: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def write(
        self, id: str, content: str, *, metadata: Mapping[str, Any] | None = None, if_busy: str | None = None
    ) -> Pending:
        """Raises `InvalidRequest` or `PayloadTooLarge` for what the server would not take; ValueError: id in use."""
        if id in self._pending:
            raise ValueError("a message with this id is under way")
        if not 1 <= len(content) <= self.limits.content_chars:
            raise error_of(Problem("INVALID_REQUEST", f"content must be 1 to {self.limits.content_chars} characters"))
        fields = {"content": content, "id": id, "metadata": metadata or None, "if_busy": if_busy}
        text = frame("message", session_id=self.session_id, **fields)
        if len(text.encode()) > self.limits.frame_bytes:
            raise error_of(Problem("PAYLOAD_TOO_LARGE", f"the frame is over {self.limits.frame_bytes} bytes"))
        pending = self._pending[id] = Pending(id=id, content=content, metadata=metadata or {}, text=text)
        self._own[id] = None
        if len(self._own) > MAX_OWN:
            self._own.popitem(last=False)
        return pending

    def transmit(self, pending: Pending, now: float) -> list[Action]:
        """Now, or later if it would be too much now, or if others wait for that already."""
        waiting = min((one.due_at for one in self._pending.values() if one.is_paced), default=None)
        if waiting is None and self.pace.take(now):
            return self._transmitted(pending, now)
        pending.is_paced, pending.due_at = True, self.pace.next_at(now) if waiting is None else waiting
        return []

    def transmit_all(self, now: float) -> list[Action]:
        """On a new connection."""
        return [action for pending in self._pending.values() for action in self.transmit(pending, now)]

    def _transmitted(self, pending: Pending, now: float) -> list[Action]:
        pending.sent_at, pending.due_at, pending.is_paced = now, math.inf, False
        return [Transmit(pending.text)]

    def cut(self) -> None:
        """Nothing is sent on the next connection yet."""
        for pending in self._pending.values():
            pending.sent_at, pending.due_at, pending.is_paced = None, math.inf, False

    def forget(self, id: str) -> None:
        """Its sender went away; if it was sent already, it may be stored."""
        self._pending.pop(id, None)

    def is_mine(self, message: Message) -> bool:
        return message.sender == "user" and message.id is not None and message.id in self._own

    def acknowledged(self, ack: Ack) -> tuple[list[Action], Message | None]:
        """The answer for the sender, and the message as it is in the log; None: its content is not known any more."""
        pending = self._pending.pop(ack.id, None)
        if pending is None:
            return [], None
        sent = Sent(message_id=ack.message_id, seq=ack.seq, reply_id=ack.reply_id, duplicate=ack.duplicate)
        message = Message(
            message_id=ack.message_id,
            session_id=self.session_id,
            seq=ack.seq,
            sender="user",
            content=pending.content,
            reply_id=ack.reply_id,
            id=ack.id,
            metadata=dict(pending.metadata),
        )
        return [Settle(ack.id, sent)], message

    def sighted(self, message: Message) -> list[Action]:
        """A message of the log is as good as an acknowledgement of it."""
        if not self.is_mine(message) or self._pending.pop(message.id or "", None) is None:
            return []
        sent = Sent(
            message_id=message.message_id,
            seq=message.seq,
            reply_id=message.reply_id,
            duplicate=True,
            timestamp=message.timestamp,
        )
        return [Settle(message.id or "", sent)]

    def refused(self, failure: Failure, now: float) -> list[Action]:
        """An error for a message: to be tried again if the server says that this may help."""
        pending = self._pending.get(failure.id or "")
        if pending is None:
            return []
        pending.tries += 1
        details = failure.error.details
        wait = details.get("retry_after_ms")
        wait_seconds = wait / 1000 if isinstance(wait, int | float) else None
        may_retry = details.get("retryable") is True or failure.error.code == "RATE_LIMITED"
        if may_retry and pending.tries < MAX_TRIES and (wait_seconds or 0) <= self.ack_timeout:
            later = wait_seconds if wait_seconds is not None else PUT_OFF * 2 ** (pending.tries - 1)
            pending.sent_at, pending.due_at = None, now + later
            return []
        del self._pending[pending.id]
        return [Settle(pending.id, error_of(failure.error, retry_after=wait_seconds))]

    def due(self, now: float) -> list[Action]:
        """What was put off and may be sent now, in order."""
        actions: list[Action] = []
        for pending in self._pending.values():
            if pending.due_at > now:
                continue
            if not self.pace.take(now):
                pending.is_paced, pending.due_at = True, self.pace.next_at(now)
            else:
                actions += self._transmitted(pending, now)
        return actions

    def is_overdue(self, now: float) -> bool:
        """A message was sent on this connection and nothing was heard of it for too long."""
        return any(one.sent_at is not None and now >= one.sent_at + self.ack_timeout for one in self._pending.values())

    @property
    def deadline(self) -> float:
        """When something is due, or overdue."""
        sent = (one.sent_at + self.ack_timeout for one in self._pending.values() if one.sent_at is not None)
        return min((*sent, *(one.due_at for one in self._pending.values())), default=math.inf)

    def fail_all(self, error: ClientError) -> list[Action]:
        actions: list[Action] = [Settle(id, error) for id in self._pending]
        self._pending.clear()
        return actions
