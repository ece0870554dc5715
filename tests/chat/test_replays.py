"""A replay that is taken back or begun again: nothing comes twice, and nothing is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pytest

from generalbots_api.conversations.events import Event
from generalbots_api.conversations.following import Place
from generalbots_api.ids import BotSessionId
from generalbots_api.storage import Storage
from tests.chat.conftest import Stage
from tests.support.puppet import Talk, new_session, talk
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

TURNS = 10


@pytest.fixture
async def reader(storage: Storage) -> AsyncIterator[Talk]:
    """A socket that has room for two frames at a time, in a conversation of ten turns."""
    settings = {"socket_queue_frames": 4}
    async with running_service(storage=storage, settings=settings) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = BotSessionId(await new_session(client, "echo"))
            for number in range(TURNS):
                path = f"/api/conversations/{session}/messages"
                answer = await client.post(path, json={"content": str(number)}, headers={"Prefer": "wait=10"})
                assert answer.status_code == 200
        async with talk(service, token, session) as one:
            yield one


async def test_subscribing_again_in_a_replay_begins_it_anew(reader: Talk) -> None:
    for number in range(3):
        await reader.say({"type": "subscribe", "session_id": reader.session, "after_seq": 0, "id": str(number)})
    while (await reader.hear_until("subscribed"))[-1]["id"] != "2":
        pass
    replayed = [await reader.hear() for _ in range(2 * TURNS)]
    await reader.say({"type": "ping"})
    assert [frame["seq"] for frame in replayed] == list(range(1, 2 * TURNS + 1))
    assert (await reader.hear())["type"] == "pong"


async def test_unsubscribing_ends_a_replay(reader: Talk) -> None:
    await reader.say({"type": "subscribe", "session_id": reader.session, "after_seq": 0})
    await reader.say({"type": "unsubscribe", "session_id": reader.session})
    await reader.hear_until("unsubscribed")
    await reader.send("More")
    later = await reader.hear_until("message")
    assert [frame["type"] for frame in later] == ["ack", "message.start", "message.delta", "message"]
    assert later[-1]["seq"] == 2 * TURNS + 2


@dataclass
class Stuck:
    """A sink whose reader never has room."""

    waiting: int = 0

    def put(self, event: Event, /) -> None:
        raise AssertionError("there is no room")

    async def room(self) -> None:
        self.waiting += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.waiting -= 1


async def test_who_leaves_keeps_no_page_for_a_reader_who_is_slow(stage: Stage) -> None:
    conversations, sink = stage.service.gb._services.conversations, Stuck()
    await stage.client.post(f"/api/conversations/{stage.session}/messages", json={"content": "Hello"})
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            follower = conversations.follower(BotSessionId(stage.session), sink, tasks.start_soon, None)
            follower.go((await follower.join(Place(seq=0))).head.seq)
            await anyio.wait_all_tasks_blocked()
            assert sink.waiting == 1
            follower.leave()
    assert sink.waiting == 0
