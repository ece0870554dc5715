"""A storage that fails after it has stored: the message is answered all the same."""

from __future__ import annotations

import asyncio
from datetime import datetime

import httpx2
import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.conversations.model import Added, Message, NewMessage
from generalbots_api.errors import Unavailable
from generalbots_api.ids import BotSessionId, MessageId
from tests.support.promises import check_error
from tests.support.puppet import Puppet, history, new_session
from tests.support.service import running_service

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_message_of_which_nobody_knows_whether_it_was_stored(
    is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.0,))
    storage, puppet = MemoryStorage(), Puppet()
    add = storage.log.add_message

    async def add_and_fail(message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        if is_stored:
            await add(message, most_waiting, now)
        raise Unavailable("The connection was lost")

    async with running_service(bots=[puppet], storage=storage) as service, await service.bearer("alice") as client:
        session = await new_session(client)
        path = f"/api/conversations/{session}/messages"
        monkeypatch.setattr(storage.log, "add_message", add_and_fail)
        check_error(await client.post(path, json={"content": "Hello", "id": "c"}), 503, "SERVER_ERROR")
        monkeypatch.setattr(storage.log, "add_message", add)
        again = await client.post(path, json={"content": "Hello", "id": "c"})
        assert (again.status_code, again.json()["duplicate"]) == (202, is_stored)
        await puppet.began()
        puppet.say("Hi")
        puppet.end()
        await history(client, session, after=1, wait=10)
        stored = await history(client, session)
    assert [message["content"] for message in stored] == ["Hello", "Hi"]
    assert puppet.asked == ["Hello"]


async def test_a_message_whose_sender_was_cancelled_by_the_host_as_it_was_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By `asyncio.timeout` in a host's middleware, which no scope of anyio shields from."""
    monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.0,))
    storage, puppet, stored = MemoryStorage(), Puppet(), asyncio.Event()
    add = storage.log.add_message

    async def add_and_wait(message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        added = await add(message, most_waiting, now)
        stored.set()
        await asyncio.Event().wait()
        return added

    async with running_service(bots=[puppet], storage=storage) as service, await service.bearer("alice") as client:
        session = await new_session(client)
        monkeypatch.setattr(storage.log, "add_message", add_and_wait)
        await check_that_it_is_answered(client, session, puppet, cancel_at=stored)


async def test_a_message_that_is_stored_long_after_its_sender_was_cancelled_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generalbots_api.conversations.service.SETTLE_DELAYS", (0.0,) * 5)
    storage, puppet, asked, enough = MemoryStorage(), Puppet(), asyncio.Event(), asyncio.Event()
    storing: list[asyncio.Task[Added]] = []
    add, look, looks = storage.log.add_message, storage.log.message, 0

    async def add_later(message: NewMessage, most_waiting: int, now: datetime, /) -> Added:
        async def later() -> Added:
            await enough.wait()
            return await add(message, most_waiting, now)

        storing.append(asyncio.create_task(later()))
        asked.set()
        return await asyncio.shield(storing[0])

    async def look_and_count(session_id: BotSessionId, message_id: MessageId, /) -> Message | None:
        nonlocal looks
        found = await look(session_id, message_id)
        looks += 1
        if looks == 2:
            enough.set()
        await asyncio.sleep(0)
        return found

    async with running_service(bots=[puppet], storage=storage) as service, await service.bearer("alice") as client:
        session = await new_session(client)
        monkeypatch.setattr(storage.log, "add_message", add_later)
        monkeypatch.setattr(storage.log, "message", look_and_count)
        await check_that_it_is_answered(client, session, puppet, cancel_at=asked)
    assert looks > 2


async def check_that_it_is_answered(
    client: httpx2.AsyncClient, session: str, puppet: Puppet, cancel_at: asyncio.Event
) -> None:
    """A message whose sender is cancelled then."""
    body = {"content": "Hello"}
    sending = asyncio.create_task(client.post(f"/api/conversations/{session}/messages", json=body))
    await cancel_at.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await puppet.began()
    puppet.end()
    await history(client, session, after=1, wait=10)
    assert [message["sender"] for message in await history(client, session)] == ["user", "bot"]
