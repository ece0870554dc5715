"""Why a socket was closed or refused, and what that means. Source: chat-protocol, "Close codes"."""

from __future__ import annotations

from enum import Enum, auto

from generalbots_api.client.errors import ApiError, ClientError, ConversationClosed, Problem, error_of

LOGIN_ENDED = 4401
GONE = 1006  # no close frame at all
FLOOD_WAIT = 5.0  # seconds
FLOOD = 4429

_FINAL = {
    1002: None,
    1003: None,
    1007: None,
    1008: None,
    1009: "PAYLOAD_TOO_LARGE",
    1010: None,
    4400: None,
    4403: "FORBIDDEN",
    4409: None,  # another socket of this user took the place: coming back would take it from that one
}


class Fate(Enum):
    """What to do after a socket is gone."""

    COME_BACK = auto()
    RENEW = auto()
    GIVE_UP = auto()


def fate_of(code: int) -> Fate:
    if code == LOGIN_ENDED:
        return Fate.RENEW
    return Fate.GIVE_UP if code in _FINAL else Fate.COME_BACK


def fate_of_refusal(error: ApiError) -> Fate:
    """Of a handshake that was refused."""
    if error.status == 401:
        return Fate.RENEW
    return Fate.COME_BACK if error.status in (408, 429) or error.status >= 500 else Fate.GIVE_UP


def error_of_close(code: int, reason: str) -> ClientError:
    named = "UNAUTHORIZED" if code == LOGIN_ENDED else _FINAL.get(code)
    if named is None:
        return ConversationClosed(code, reason)
    return error_of(Problem(named, reason or f"the socket was closed with {code}", {"close_code": code}))
