"""The last word to a client, before the server closes."""

from __future__ import annotations

import random

from generalbots_api.ws.model import CloseCode, GoodbyeFrame

COME_BACK = frozenset({CloseCode.RESTART, CloseCode.FULL, CloseCode.SERVER_ERROR, CloseCode.NO_PONG, CloseCode.SLOW})
COME_BACK_MS = (500, 3_000)  # spread, so that not everybody comes back at one instant


def goodbye(code: CloseCode, reason: str) -> GoodbyeFrame:
    """Source: chat-protocol, "Close codes"."""
    return GoodbyeFrame(
        code=code,
        reason="draining" if code is CloseCode.RESTART else reason,
        reconnect=code in COME_BACK,
        retry_after_ms=random.randint(*COME_BACK_MS) if code in COME_BACK else 0,  # noqa: S311 # no secret
    )
