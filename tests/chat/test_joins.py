"""A subscription that failed is none: the next frame begins it anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generalbots_api.errors import Unavailable
from tests.chat.conftest import Stage
from tests.support.puppet import talk

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def failing_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look at where a log stands finds the storage away."""
    log = stage.service.storage.log
    head = log.head

    async def away(*arguments: Any) -> Any:
        monkeypatch.setattr(log, "head", head)
        raise Unavailable("The storage is away")

    monkeypatch.setattr(log, "head", away)


async def answer_it(stage: Stage) -> None:
    await stage.puppet.began()
    stage.puppet.end()


@pytest.mark.usefixtures("failing_once")
async def test_a_send_after_a_subscription_that_failed_is_answered(stage: Stage) -> None:
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.say({"type": "subscribe", "session_id": stage.session})
        assert (await one.hear())["error"]["code"] == "SERVER_ERROR"
        await one.send("Hello")
        await answer_it(stage)
        assert [frame["type"] for frame in await one.hear_until("message")] == ["ack", "message.start", "message"]


@pytest.mark.usefixtures("failing_once")
async def test_at_the_plain_level_as_well(stage: Stage) -> None:
    async with stage.service.socket(stage.token) as socket:
        frame = json.dumps({"type": "message", "session_id": stage.session, "content": "Hello"})
        await socket.send_text(frame)
        assert json.loads(await socket.receive_text())["type"] == "error"
        await socket.send_text(frame)
        await answer_it(stage)
        assert json.loads(await socket.receive_text())["sender"] == "bot"
