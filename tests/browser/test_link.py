"""When the page's socket gives up, and when it comes back: with a clock and sockets of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.process import Runner

pytestmark = pytest.mark.browser

OPEN = """async () => {
    const {Link} = await import("./console/link.js");
    Object.assign(window, {sockets: [], said: [], login: "valid", wait: 0});
    Math.random = () => 0.5;
    window.WebSocket = class {
        static OPEN = 1;
        sent = [];
        readyState = 0;
        constructor() { sockets.push(this); }
        send(text) { this.sent.push(JSON.parse(text)); }
        close() { this.readyState = 3; }
        hear(frame) { this.readyState = 1; this.onmessage?.({data: JSON.stringify(frame)}); }
        lose(code) { this.readyState = 3; this.onclose?.({code}); }
    };
    const note = (name) => (...what) => said.push([name, ...what].join(" "));
    const events = {hello: () => {}, frame: note("frame"), state: note("state"), over: note("over")};
    window.link = new Link("ws://127.0.0.1/ws", async () => [login, wait], events);
    link.open();
}"""
HELLO = {"type": "hello", "heartbeat_ms": 25_000, "pong_timeout_ms": 10_000, "limits": {}}


@dataclass
class Lever:
    page: Page

    def hear(self, frame: dict[str, Any]) -> None:
        self.page.evaluate("(frame) => sockets.at(-1).hear(frame)", frame)

    def lose(self, code: int) -> None:
        self.page.evaluate("(code) => sockets.at(-1).lose(code)", code)

    def pass_by(self, milliseconds: int) -> None:
        self.page.clock.run_for(milliseconds)

    @property
    def sockets(self) -> int:
        return int(self.page.evaluate("sockets.length"))

    @property
    def sent(self) -> list[str]:
        return list(self.page.evaluate("sockets.at(-1).sent.map((frame) => frame.type)"))

    @property
    def last_said(self) -> str:
        return str(self.page.evaluate("said.at(-1)"))


@pytest.fixture(scope="module")
def paused(browser: Browser, runner: Runner) -> Iterator[Page]:
    page = browser.new_page()
    page.clock.install()
    page.goto(runner.base)
    page.clock.pause_at(page.evaluate("Date.now()") / 1_000 + 1)
    yield page
    page.close()


@pytest.fixture
def link(paused: Page) -> Iterator[Lever]:
    """New, and connecting."""
    paused.evaluate(OPEN)
    yield Lever(paused)
    paused.evaluate("link.close()")


def test_a_ping_is_answered(link: Lever) -> None:
    link.hear(HELLO)
    link.hear({"type": "ping"})
    assert (link.sent, link.last_said) == (["pong"], "state online")


def test_silence_is_asked_about_and_then_given_up(link: Lever) -> None:
    link.hear(HELLO)
    link.pass_by(24_000)
    assert link.sent == []
    link.pass_by(2_500)
    assert link.sent == ["ping"]
    link.hear({"type": "pong"})
    link.pass_by(26_500)
    assert link.sent == ["ping", "ping"]
    link.pass_by(8_000)
    assert link.last_said == "state online"
    link.pass_by(3_000)
    assert link.last_said == "state connecting"
    assert link.sockets == 2


def test_the_waits_grow_to_a_bound_and_the_network_that_is_back_ends_them(link: Lever) -> None:
    for count, wait in enumerate((250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000), 1):
        link.lose(1006)
        link.pass_by(wait - 20)
        assert link.sockets == count
        link.pass_by(40)
        assert link.sockets == count + 1
    link.lose(1006)
    link.page.evaluate("dispatchEvent(new Event('online'))")
    assert (link.sockets, link.last_said) == (10, "state connecting")


def test_a_goodbye_says_when_to_come_back(link: Lever) -> None:
    link.hear(HELLO)
    link.hear({"type": "goodbye", "code": 1012, "reason": "draining", "reconnect": True, "retry_after_ms": 5_000})
    link.lose(1012)
    link.pass_by(5_200)
    assert link.sockets == 1
    link.pass_by(100)
    assert link.sockets == 2


def test_a_connection_that_does_not_come_about_is_given_up(link: Lever) -> None:
    link.pass_by(10_500)
    assert link.sockets == 2


def test_a_server_that_wants_to_be_left_alone_is(link: Lever) -> None:
    link.page.evaluate("wait = 60_000")
    link.lose(1006)
    link.pass_by(59_000)
    assert link.sockets == 1
    link.pass_by(2_000)
    assert link.sockets == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [(4401, "over login 4401"), (1006, "over login 1006"), (4409, "over closed 4409"), (4403, "over closed 4403")],
)
def test_what_is_final_is_told_and_not_tried_again(link: Lever, code: int, said: str) -> None:
    link.page.evaluate("login = 'ended'")
    link.lose(code)
    assert link.last_said == said
    link.pass_by(60_000)
    assert link.sockets == 1


@pytest.mark.parametrize("login", ["valid", "unknown"])
def test_a_login_that_is_not_known_to_be_over_is_tried(link: Lever, login: str) -> None:
    link.page.evaluate("(state) => { login = state; }", login)
    link.hear(HELLO)
    link.lose(4401)
    link.pass_by(300)
    assert link.sockets == 2
