"""A storage that fails after it has stored: the message is answered all the same."""

from __future__ import annotations

from datetime import datetime

import pytest

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.conversations.model import Added, NewMessage
from generalbots_api.errors import Unavailable
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
