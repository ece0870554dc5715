"""The main job: log in, open a session with a bot, send a message, get the answer."""

from __future__ import annotations

import json

import pytest

from tests.support.service import running_service

pytestmark = pytest.mark.anyio


async def test_a_user_logs_in_and_a_bot_answers() -> None:
    async with running_service() as service, await service.bearer("alice") as client:
        opened = (await client.post("/api/session/create", json={"bot_id": "echo"})).json()
        token = client.headers["authorization"].removeprefix("Bearer ")
        async with service.socket(token) as socket:
            frame = {"type": "message", "content": "Hello", "session_id": opened["session_id"]}
            await socket.send_text(json.dumps(frame))
            answer = json.loads(await socket.receive_text())
    assert (answer["type"], answer["sender"], answer["content"], answer["seq"]) == ("message", "bot", "Hello", 2)
