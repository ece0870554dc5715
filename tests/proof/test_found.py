"""What the proof has found, each by itself."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from generalbots_api.conversations.model import Added, NewMessage
from generalbots_api.storage import Storage
from tests.support.puppet import Puppet, new_session
from tests.support.service import Service, running_service

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
