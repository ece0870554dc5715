"""The queue of a socket: bounded in bytes as they are sent, whatever is in them."""

from __future__ import annotations

import msgspec
import pytest

from generalbots_api.conversations.events import Delta, Event
from generalbots_api.ids import BotSessionId, MessageId
from generalbots_api.ws.model import PING, CloseCode
from generalbots_api.ws.outbox import Outbox

pytestmark = pytest.mark.anyio

MOST = 100_000  # bytes


def joined(outbox: Outbox, reply_id: str, content: str, size: int) -> None:
    """Pieces of a reply, so many bytes of them as they are sent."""
    for index in range(size // len(msgspec.json.encode(content))):
        delta = Delta(session_id=BotSessionId("s"), reply_id=MessageId(reply_id), index=index, content=content)
        outbox.put(Event(what=delta))


@pytest.mark.parametrize("character", ['"', "\n", "\x01", "\u00e9", "\U0001f600", "a"])
async def test_what_is_joined_counts_as_it_is_sent(character: str) -> None:
    outbox = Outbox(max_frames=12, max_bytes=MOST)
    for _ in range(6):
        outbox.put(PING)
    for number in range(4):
        joined(outbox, str(number), character * 100, MOST // 5)
    assert outbox.close_code is None
    joined(outbox, "4", character * 100, MOST // 4)
    assert outbox.close_code is CloseCode.SLOW


async def test_characters_count_as_bytes() -> None:
    outbox = Outbox(max_frames=256, max_bytes=MOST)
    for _ in range(12):
        outbox.put("\U0001f600" * 3_000)
    assert outbox.close_code is CloseCode.SLOW
