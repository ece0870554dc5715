"""Whatever a bot leaves to be stored, its turn ends with a stored reply, and the conversation goes on."""

from __future__ import annotations

from typing import Any

import pytest

from generalbots_api import Suggestions
from tests.chat.conftest import Stage
from tests.support.puppet import Frame, talk

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


async def answered(stage: Stage, *suggested: Any) -> Frame:
    """The reply of a turn with these suggestions; the next turn is answered too."""
    async with talk(stage.service, stage.token, stage.session) as one:
        await one.send("Hello")
        await stage.puppet.began()
        stage.puppet.say("Hi", Suggestions(suggested))
        stage.puppet.end()
        reply = (await one.hear_until("message"))[-1]
        await one.send("Again")
        await stage.puppet.began(2)
        stage.puppet.end()
        assert (await one.hear_until("message"))[-1]["status"] == "completed"
    return reply


@pytest.mark.parametrize(("text", "kept"), [("half \ud800", "half ?"), ("a\x00b", "a\ufffdb"), ("x" * 300, "x" * 200)])
async def test_suggestions_are_made_storable_as_text_is(stage: Stage, text: str, kept: str) -> None:
    reply = await answered(stage, text)
    assert (reply["status"], reply["content"], reply["suggestions"]) == ("completed", "Hi", [kept])


@pytest.mark.parametrize("text", [5, b"bytes", None])
async def test_suggestions_that_are_no_text_fail_the_reply(stage: Stage, text: object) -> None:
    reply = await answered(stage, text)
    assert (reply["status"], reply["content"], reply["suggestions"]) == ("failed", "Hi", [])


async def test_a_reply_that_the_storage_refuses_is_stored_as_failed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = stage.service.storage.log
    add = log.add_reply

    async def refuse(reply: Any, *rest: Any) -> Any:
        if reply.suggestions:
            raise ValueError("not to be stored")
        return await add(reply, *rest)

    monkeypatch.setattr(log, "add_reply", refuse)
    reply = await answered(stage, "more")
    assert (reply["status"], reply["content"], reply["error"]["code"]) == ("failed", "Hi", "SERVER_ERROR")
