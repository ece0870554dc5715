"""`docs/bots.md`: its code runs, and its receiver understands its bot."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import httpx2
import pytest

from generalbots_api import BotInfo, Suggestions
from generalbots_api.backends.webhook import WebhookBot, sign
from generalbots_api.testing import ManualTurn, answer_of
from tests.bots.upstream import Asked, Given, upstream
from tests.support.process import ROOT

pytestmark = pytest.mark.anyio
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture
async def names() -> dict[str, Any]:
    """What is there after the last block: each runs after those before it, as a reader reads them."""
    names: dict[str, Any] = {"__name__": "docs"}
    for block in BLOCK.findall((ROOT / "docs" / "bots.md").read_text(encoding="utf-8")):
        code = compile(block, "docs/bots.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        outcome = eval(code, names)  # noqa: S307 - our own page
        if inspect.iscoroutine(outcome):
            await outcome
    return names


async def test_the_pages_receiver_takes_what_the_bot_posts_and_nothing_else(names: dict[str, Any]) -> None:
    app = httpx2.ASGITransport(app=names["app"])
    answers: list[httpx2.Response] = []

    async with httpx2.AsyncClient(transport=app, base_url="http://desk.example") as client:
        unsigned = await client.post("/turn", content=b"{}")
        other = await client.post("/turn", content=b"{}", headers=sign(b"{}", secrets=["another"], at=0))

        async def forwarded(asked: Asked) -> None:
            answers.append(await client.post("/turn", content=asked.body, headers=asked.headers))

        async with upstream(lambda _: Given(status=204)) as stub:
            bot = WebhookBot(info=BotInfo("helpdesk", "Help desk"), url=stub.url, secrets=names["SECRETS"])
            await answer_of(bot, ManualTurn("Hello"))
            await forwarded(stub.asked[0])
    assert [unsigned.status_code, other.status_code, answers[0].status_code] == [401, 401, 200]
    given = Given([answers[0].content], type=answers[0].headers["content-type"])
    turn = ManualTurn("Hello")
    async with upstream(lambda _: given) as stub:
        bot.url = stub.url
        pieces = await answer_of(bot, turn)
    assert pieces == ["You said: Hello", Suggestions(("Thanks",))]
    assert turn.memory == {"seen": 1}


async def test_the_pages_counter_remembers_and_suggests(names: dict[str, Any]) -> None:
    turn = ManualTurn("Hello", memory={"count": 6})
    assert await answer_of(names["Counter"](), turn) == [
        "This is message 7. ",
        "You said: Hello",
        Suggestions(("And now?", "Start over")),
    ]
    assert turn.memory == {"count": 7}
