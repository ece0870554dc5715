"""What the proof has found, each by itself."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from generalbots_api import GeneralBots, Settings
from generalbots_api.conversations.model import Added, NewMessage
from generalbots_api.storage import Storage
from tests.proof.world import who
from tests.support.puppet import Puppet, new_session, talk
from tests.support.service import BASE, KEY, Service, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def test_a_message_that_is_stored_as_its_sender_goes_is_answered(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, go_on = anyio.Event(), anyio.Event()
    add_message = storage.log.add_message

    async def slowly(message: NewMessage, *arguments: Any) -> Added:
        added = await add_message(message, *arguments)
        stored.set()
        await go_on.wait()
        return added

    monkeypatch.setattr(storage.log, "add_message", slowly)
    puppet = Puppet()
    async with running_service(storage=storage, bots=[puppet]) as service, await service.bearer("alice") as client:
        session = await new_session(client)
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                await client.post(f"/api/conversations/{session}/messages", json={"content": "Hello"})

            tasks.start_soon(send)
            await stored.wait()
            tasks.cancel_scope.cancel()
            go_on.set()
        await puppet.began()
        puppet.end()
        answer = await client.get(f"/api/conversations/{session}/history", params={"after": 1, "wait": 10})
        assert [message["status"] for message in answer.json()["messages"]] == ["completed"]


async def test_a_reply_that_is_bigger_than_the_queue_of_a_socket_is_replayed(storage: Storage) -> None:
    puppet = Puppet()
    bounds = {"socket_queue_bytes": 2_000}
    async with running_service(storage=storage, bots=[puppet], settings=bounds) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await new_session(client)
            for turn in (1, 2):
                await client.post(f"/api/conversations/{session}/messages", json={"content": "Go on"})
                await puppet.began(turn)
                puppet.say(*("é\n" * 100 for _ in range(40)))
                puppet.end()
                await client.get(f"/api/conversations/{session}/history?after={2 * turn - 1}&wait=10")
        async with talk(service, token, session) as one:
            await one.subscribe(after_seq=0)
            replayed = [await one.hear() for _ in range(4)]
    assert [frame["seq"] for frame in replayed] == [1, 2, 3, 4]
    assert replayed[3]["content"] == "é\n" * 4_000


async def test_a_service_that_is_opened_again_interrupts_what_it_left_and_goes_on(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    puppet = Puppet()
    gb = GeneralBots(Settings(secret_keys=[KEY]), storage=storage, bots=[puppet], authenticate=who)
    transport = httpx2.ASGITransport(app=gb)
    headers = {"Authorization": "Bearer alice"}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client, storage:
        async with gb.lifespan():
            path = f"/api/conversations/{await new_session(client)}"
            for content in ("running", "waiting"):
                await client.post(f"{path}/messages", json={"content": content})
            await puppet.began()
            other = f"/api/conversations/{await new_session(client)}"
            with monkeypatch.context() as stopping:
                stopping.setattr(gb._services.chat.turns, "_is_ending", True)
                late = await client.post(f"{other}/messages", json={"content": "late"})
            assert late.status_code == 202, "it is stored"
        async with gb.lifespan():
            for place in (path, other):
                messages = (await client.get(f"{place}/history")).json()["messages"]
                asked = [message["message_id"] for message in messages if message["sender"] == "user"]
                cut = [message["in_reply_to"] for message in messages if message["status"] == "interrupted"]
                assert cut == asked
            await client.post(f"{other}/messages", json={"content": "Are you there?"})
            await puppet.began(2)
            puppet.say("Yes")
            puppet.end()
            answer = await client.get(f"{other}/history", params={"after": 3, "wait": 10})
            assert [message["content"] for message in answer.json()["messages"]] == ["Yes"]


async def test_a_client_that_goes_while_it_is_written_to_is_no_failure(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """A server's `send` may raise OSError then (ASGI 2.4)."""
    token = await service.token("alice")
    gone = anyio.Event()

    async def receive() -> MutableMapping[str, Any]:
        if not gone.is_set():
            gone.set()
            return {"type": "websocket.connect"}
        await anyio.lowlevel.checkpoint()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"sec-websocket-protocol", b"gb.v1")]
    scope = {
        **{"type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": "/ws"},
        **{"raw_path": b"/ws", "query_string": b"", "root_path": "", "subprotocols": ["gb.v1"]},
        **{"headers": [(b"host", b"127.0.0.1:8080"), *headers], "client": ("127.0.0.1", 1), "server": None},
    }
    with caplog.at_level(logging.WARNING):
        await service.app(scope, receive, send)
    assert [record.getMessage() for record in caplog.records] == []
