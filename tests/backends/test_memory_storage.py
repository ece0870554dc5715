"""The storage in memory: bounded like a disk."""

from __future__ import annotations

import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.errors import Unavailable
from generalbots_api.testing.contract import NOON
from generalbots_api.testing.log import PLENTY, S1, a_message
from generalbots_api.testing.logins import a_login
from generalbots_api.testing.sessions import a_session

pytestmark = pytest.mark.anyio


async def test_a_full_storage_refuses_and_takes_again_when_there_is_room() -> None:
    storage = MemoryStorage(max_items=2)
    for name in ("1", "2"):
        await storage.logins.open(a_login(name), 9)
        await storage.bot_sessions.open(a_session(name), 9)
        await storage.seen_tokens.add(name, NOON)
        await storage.log.add_message(a_message(name), PLENTY, NOON)
    with pytest.raises(Unavailable):
        await storage.logins.open(a_login("3"), 9)
    with pytest.raises(Unavailable):
        await storage.bot_sessions.open(a_session("3"), 9)
    with pytest.raises(Unavailable):
        await storage.seen_tokens.add("3", NOON)
    with pytest.raises(Unavailable):
        await storage.log.add_message(a_message("3"), PLENTY, NOON)
    assert (await storage.log.head(S1)).seq == 2
    assert [login.id for login in await storage.logins.open(a_login("3"), 2)] == ["1"]
    await storage.seen_tokens.prune(NOON)
    assert await storage.seen_tokens.add("3", NOON) is True


async def test_the_text_of_all_messages_is_bounded() -> None:
    storage = MemoryStorage(max_chars=10)
    await storage.log.add_message(a_message("1", content="x" * 6), PLENTY, NOON)
    with pytest.raises(Unavailable):
        await storage.log.add_message(a_message("2", content="x" * 5), PLENTY, NOON)
    await storage.log.add_message(a_message("3", content="x" * 4), PLENTY, NOON)
    assert (await storage.log.head(S1)).seq == 2
