"""The page through random cuts and reloads: in the end it shows what is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from generalbots_api import BotInfo, Turn
from tests.browser.chat import at_desk, messages, say, whole
from tests.browser.stage import raised_stage

pytestmark = pytest.mark.browser

TURNS = 12


@dataclass
class Counter:
    """Goes on while the page is cut."""

    info: BotInfo = field(default_factory=lambda: BotInfo("counter", "Counter"))

    async def reply(self, turn: Turn, /) -> AsyncIterator[str]:
        for number in range(20):
            await anyio.sleep(0.005)  # others get their turn; nothing depends on how long it is
            yield f"{number} "


@dataclass
class Wire:
    """What the server says is passed on, until it is muted; then the connection is cut."""

    socket: WebSocketRoute | None = None
    is_muted: bool = False

    def connect(self, socket: WebSocketRoute) -> None:
        self.socket, self.is_muted = socket, False
        socket.connect_to_server().on_message(lambda text: None if self.is_muted else socket.send(text))

    def cut(self, page: Page) -> None:
        if self.socket is not None:
            page.evaluate("new Promise(requestAnimationFrame)")
            self.socket.close(code=4450)
            self.socket = None


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_shown_in_the_end_is_what_is_stored(
    browser: Browser, context: BrowserContext, tmp_path: Path, seed: int
) -> None:
    random, wire = Random(seed), Wire()  # noqa: S311 # no secret
    with raised_stage(tmp_path, bot=Counter()) as stage:
        client = stage.enter(context)
        page = context.new_page()
        page.add_init_script("{ const random = Math.random; Math.random = () => random() / 20; }")  # back soon
        page.route_web_socket("**/ws", wire.connect)
        at_desk(page, stage)
        for number in range(TURNS):
            say(page, f"Question {number}")
            action = random.choice(["go on", "cut", "mute", "reload"])
            wire.is_muted = action == "mute"
            if action in ("cut", "mute"):
                wire.cut(page)
            elif action == "reload":
                at_desk(page, stage)
        expect(messages(page)).to_have_count(2 * TURNS)
        whole(page)
        (one,) = stage.call(client, "GET", "/api/conversations")["conversations"]
        stored = stage.call(client, "GET", f"/api/conversations/{one['id']}/history")["messages"]
        expect(messages(page)).to_have_text([message["content"].strip() for message in stored])
    asked = [message["content"] for message in stored if message["sender"] == "user"]
    assert asked == [f"Question {number}" for number in range(TURNS)], json.dumps(stored, indent=1)
