"""What the state machine of a conversation wants done, and how a conversation goes on after a cut."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.client.errors import ClientError
from generalbots_api.client.messages import Sent


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write a frame."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read a page of the history after `seq`, and give it to `history_read`, or the error to `history_failed`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Answer the sender of a message."""

    id: str
    outcome: Sent | ClientError


@dataclass(frozen=True, slots=True)
class RenewLogin:
    """Get a new token, and give it to `renewed`: the login ends soon."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the socket; `cut` comes next."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """It is over: with an error, or because the session has ended."""

    error: ClientError | None


Action = Transmit | ReadHistory | Settle | RenewLogin | Hang | End


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Come back, after `at_least` seconds and a random time on top that grows with `attempt`.

    `renew`: with a new token.
    """

    attempt: int
    at_least: float = 0.0
    renew: bool = False
