"""What is shown is a function of the frames: the module that says so, in the page, without a server's help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.process import Runner

pytestmark = pytest.mark.browser

Json = dict[str, Any]
Show = Callable[..., Json]
SHOW = """async ({frames, page}) => {
    const thread = await import("./console/thread.js");
    const {shown} = await import("./console/shown.js");
    let state = thread.read(thread.empty("s"), page, "latest");
    for (const frame of frames) {
        state = frame.type === "ack" ? thread.acknowledged(state, frame, {id: frame.id, content: "?", at: 0})
            : frame.type === "page" ? thread.read(state, frame, frame.kind) : thread.hear(state, frame);
    }
    return {seq: state.seq, epoch: state.epoch, isBehind: thread.isBehind(state), stoppable: thread.stoppable(state),
        items: shown(state, []).items.map((one) => `${one.text} (${one.status})`)};
}"""
EMPTY: Json = {"messages": [], "has_more": False, "epoch": "e", "seq": 0}


@pytest.fixture(scope="module")
def show(browser: Browser, runner: Runner) -> Iterator[Show]:
    """What is shown after the frames."""
    page = browser.new_page()
    page.goto(runner.base)

    def show(*frames: Json, history: Json = EMPTY) -> Json:
        result: Json = page.evaluate(SHOW, {"frames": list(frames), "page": history})
        return result

    yield show
    page.close()


def message(seq: int, sender: str = "user", **fields: Any) -> Json:
    return {"type": "message", "message_id": f"m{seq}", "seq": seq, "sender": sender, "content": f"{seq}",
            "status": "completed", "suggestions": [], "timestamp": "2026-01-01T00:00:00Z", **fields}  # fmt: skip


def delta(index: int, content: str, **fields: Any) -> Json:
    return {"type": "message.delta", "reply_id": "m2", "index": index, "content": content, **fields}


ASKED = message(1, reply_id="m2")
START = {"type": "message.start", "reply_id": "m2"}
ACK = {"type": "ack", "id": "c", "message_id": "m1", "seq": 1, "reply_id": "m2"}
JOINED: Json = {"type": "subscribed", "epoch": "e", "seq": 1, "recovered": True, "replayed": 0, "running": None}


def test_messages_in_any_order_and_twice_are_shown_once_by_seq(show: Show) -> None:
    for order in permutations([message(1), message(2, "bot"), message(3)]):
        seen = show(*order, *order)
        assert seen["items"] == ["1 (completed)", "2 (completed)", "3 (completed)"]
        assert (seen["seq"], seen["isBehind"]) == (3, False)


def test_a_hole_is_noticed_and_filled_from_the_history(show: Show) -> None:
    seen = show(message(1), message(4))
    assert (seen["seq"], seen["isBehind"]) == (1, True)
    page = {"type": "page", "kind": "after", **EMPTY, "seq": 4, "messages": [message(2), message(3)]}
    seen = show(message(1), message(4), page)
    assert (seen["seq"], seen["isBehind"]) == (4, False)
    assert seen["items"] == [f"{seq} (completed)" for seq in (1, 2, 3, 4)]


def test_an_acknowledgement_shows_what_was_sent_and_the_log_heals_it(show: Show) -> None:
    assert show(ACK)["items"] == ["? (completed)", " (writing)"]
    assert show(ACK, ASKED)["items"] == show(ASKED, ACK)["items"] == ["1 (completed)", " (writing)"]


def test_only_pieces_that_follow_on_are_added(show: Show) -> None:
    pieces = [START, delta(0, "a"), delta(2, "c"), delta(0, "a"), delta(2, "bc", merged=2), START, delta(3, "d")]
    assert show(ASKED, *pieces)["items"][-1] == "abcd (writing)"


def test_a_snapshot_replaces_and_an_old_one_does_not(show: Show) -> None:
    new = {"type": "message.snapshot", "reply_id": "m2", "index": 5, "content": "abcdef"}
    old = {**new, "index": 1, "content": "ab"}
    assert show(ASKED, new, old, delta(6, "g"))["items"][-1] == "abcdefg (writing)"


def test_the_final_message_heals_whatever_was_missed(show: Show) -> None:
    final = message(2, "bot", content="whole", status="cancelled")
    for before in ([], [START], [START, delta(0, "a")], [START, delta(4, "x")]):
        seen = show(ASKED, *before, final, START, delta(5, "late"))
        assert seen["items"] == ["1 (completed)", "whole (cancelled)"]
        assert seen["stoppable"] is None


def test_another_epoch_forgets_everything_but_a_reply_that_goes_on(show: Show) -> None:
    lost = {**JOINED, "epoch": "f", "recovered": False}
    seen = show(ASKED, START, delta(0, "a"), lost)
    assert (seen["items"], seen["seq"], seen["epoch"]) == ([], None, "f")
    seen = show(ASKED, START, delta(0, "a"), {**lost, "running": {"reply_id": "m2", "index": 0}}, delta(1, "b"))
    assert seen["items"] == ["ab (writing)"]


def test_a_reply_that_is_not_running_any_more_stays_while_it_is_awaited(show: Show) -> None:
    assert show(ASKED, START, delta(0, "a"), JOINED)["items"][-1] == "a (writing)"
    greeting = {**delta(0, "Hi"), "reply_id": "g"}
    assert show(ASKED, greeting, JOINED)["items"][-1] == " (writing)"


def test_nothing_is_awaited_once_the_session_has_ended(show: Show) -> None:
    seen = show(ASKED, START, {"type": "session.updated", "status": "ended", "reason": "deleted", "seq": 2})
    assert (seen["items"], seen["stoppable"], seen["isBehind"]) == (["1 (completed)"], None, False)
