"""The chat in Chromium: nothing is lost, doubled or out of order, whatever is cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from generalbots_api import Suggestions
from tests.browser.chat import at_desk, connected, entered, messages, say, shown, whole
from tests.browser.stage import Stage, raised_stage

pytestmark = pytest.mark.browser


@pytest.fixture
def context(stage: Stage, context: BrowserContext) -> BrowserContext:
    """Closed before the stage, which need not wait for its pages then."""
    return context


def test_a_reply_is_seen_growing(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    say(page, "Hello")
    stage.began()
    shown(page, "Hello", "")
    stage.say("One")
    shown(page, "Hello", "One")
    stage.say(", two")
    shown(page, "Hello", "One, two")
    expect(page.locator("#busy")).to_have_text("Puppet is answering …")
    stage.finish(", three")
    shown(page, "Hello", "One, two, three")
    whole(page)
    expect(page.locator("#busy")).to_be_empty()
    expect(page.locator("#announce")).to_contain_text("Puppet: One, two, three")


def test_an_offline_spell_in_the_middle_of_a_reply_leaves_no_gap(
    context: BrowserContext, page: Page, stage: Stage
) -> None:
    entered(context, page, stage)
    say(page, "Count")
    stage.began()
    stage.say("1 ", "2 ")
    shown(page, "Count", "1 2")
    context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Offline")
    stage.say("3 ", "4 ")
    shown(page, "Count", "1 2")
    context.set_offline(False)
    shown(page, "Count", "1 2 3 4")
    stage.finish("5")
    shown(page, "Count", "1 2 3 4 5")
    whole(page)


def test_what_is_said_offline_is_delivered_once_and_in_order(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    context.set_offline(True)
    say(page, "First")
    say(page, "Second")
    expect(page.locator("#messages .sending")).to_have_count(2)
    expect(page.locator("#connection")).to_contain_text("Offline")
    context.set_offline(False)
    stage.began()
    stage.finish("To the first")
    stage.began(2)
    stage.finish("To the second")
    whole(page)
    expect(messages(page)).to_have_count(4)
    assert stage.puppet.asked == ["First", "Second"]


def test_two_tabs_show_one_order(context: BrowserContext, page: Page, stage: Stage) -> None:
    one, other = entered(context, page, stage), at_desk(context.new_page(), stage)
    say(one, "From the one")
    stage.began()
    stage.say("A")
    shown(other, "From the one", "A")
    say(other, "From the other")
    shown(one, "From the one", "From the other", "A")
    stage.finish("nswer 1")
    stage.began(2)
    stage.finish("Answer 2")
    for tab in (one, other):
        shown(tab, "From the one", "From the other", "Answer 1", "Answer 2")
        whole(tab)


@pytest.mark.parametrize("pieces", [("Some ", "text"), ()], ids=["in the middle", "before the first piece"])
def test_stop_stops(context: BrowserContext, page: Page, stage: Stage, pieces: tuple[str, ...]) -> None:
    entered(context, page, stage)
    say(page, "Go on")
    stage.began()
    stage.say(*pieces)
    shown(page, "Go on", "".join(pieces))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#messages li").last).to_have_class("bot cancelled" + ("" if pieces else " empty"))
    expect(page.locator("#messages li").last).to_contain_text("Stopped")
    shown(page, "Go on", "".join(pieces))
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_stop_reaches_a_message_that_is_not_acknowledged_yet(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    context.set_offline(True)
    say(page, "Better not")
    page.keyboard.press("Escape")
    context.set_offline(False)
    expect(page.locator("#messages li").last).to_have_class("bot cancelled empty")


def test_a_reload_in_the_middle_of_a_reply_goes_on_with_it(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    say(page, "Hello")
    stage.began()
    stage.say("One, ")
    shown(page, "Hello", "One,")
    page.reload()
    shown(page, "Hello", "One,")
    stage.finish("two")
    shown(page, "Hello", "One, two")
    whole(page)


def test_a_lost_acknowledgement_and_a_reload_double_nothing(context: BrowserContext, page: Page, stage: Stage) -> None:
    lost: list[str] = []

    def through_a_hole(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            if not lost and json.loads(text)["type"] == "ack":
                lost.append(str(text))
                socket.send(json.dumps({"type": "session.expiring"}))  # which is seen
            elif not lost:
                socket.send(text)

        server.on_message(pass_on)

    page.route_web_socket("**/ws", through_a_hole)
    entered(context, page, stage)
    say(page, "Once")
    stage.began()
    stage.finish("Yes")
    expect(page.get_by_text("Your login ends within a minute")).to_be_visible()
    expect(page.locator("#messages .sending")).to_have_count(1)
    again = context.new_page()
    kept = page.evaluate("({...sessionStorage})")
    again.add_init_script(f"Object.assign(sessionStorage, {json.dumps(kept)})")
    page.close()
    at_desk(again, stage)
    shown(again, "Once", "Yes")
    whole(again)
    assert again.evaluate("Object.keys(sessionStorage).filter((key) => key.endsWith('outbox'))") == []
    assert stage.puppet.asked == ["Once"]


def test_what_the_server_does_not_replay_is_read_from_the_history(
    context: BrowserContext, page: Page, stage: Stage
) -> None:
    sockets: list[WebSocketRoute] = []

    def without_replay(socket: WebSocketRoute) -> None:
        """As after a long spell: from the second connection on nothing is replayed."""
        server = socket.connect_to_server()
        sockets.append(socket)

        def pass_on(text: str | bytes) -> None:
            frame = json.loads(text)
            if len(sockets) == 1 or frame["type"] == "hello":
                socket.send(text)
            elif frame["type"] == "subscribed":
                socket.send(json.dumps({**frame, "recovered": False, "replayed": 0}))

        server.on_message(pass_on)

    page.route_web_socket("**/ws", without_replay)
    entered(context, page, stage)
    say(page, "Hello")
    stage.began()
    shown(page, "Hello", "")
    sockets[0].close(code=4450)
    stage.finish("Here I am")
    shown(page, "Hello", "Here I am")
    whole(page)


def test_a_conversation_that_is_ended_elsewhere_says_so_and_another_can_be_begun(
    context: BrowserContext, page: Page, stage: Stage
) -> None:
    client = stage.enter(context)
    at_desk(page, stage)
    say(page, "Hello")
    stage.began()
    stage.finish("Hi")
    whole(page)
    (one,) = stage.call(client, "GET", "/api/conversations")["conversations"]
    stage.call(client, "DELETE", f"/api/session/{one['id']}")
    expect(page.get_by_text("This conversation has ended.")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Start a new one").click()
    shown(page)
    say(page, "And now?")
    stage.began(2)
    stage.finish("Again")
    shown(page, "And now?", "Again")


def test_a_restart_of_the_server_is_survived_by_itself(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    say(page, "Hello")
    stage.began()
    stage.say("As far as")
    shown(page, "Hello", "As far as")
    stage.end()
    say(page, "Are you there?")
    stage.start()
    expect(page.locator("#messages .interrupted")).to_contain_text("As far as")
    stage.began(2)
    stage.finish("Here again")
    shown(page, "Hello", "As far as", "Are you there?", "Here again")
    connected(page)


def test_a_logout_in_one_tab_closes_the_other_with_a_word(context: BrowserContext, page: Page, stage: Stage) -> None:
    one, other = entered(context, page, stage), at_desk(context.new_page(), stage)
    other.get_by_label("Message", exact=True).fill("Not sent yet")
    one.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("alert")).to_contain_text("Your login has ended")
    expect(other.get_by_role("link", name="Log in")).to_be_visible()
    expect(other.locator("#messages li")).to_have_count(0)
    stage.enter(context)
    at_desk(other, stage)
    expect(other.get_by_label("Message", exact=True)).to_have_value("Not sent yet")


def test_a_message_with_html_is_text(context: BrowserContext, page: Page, stage: Stage) -> None:
    html = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>"
    entered(context, page, stage)
    say(page, html)
    stage.began()
    stage.finish(html, Suggestions((html,)))
    shown(page, html, html)
    expect(page.locator("#suggestions button")).to_have_text(html)
    assert page.title() == "General Bots"
    assert page.locator("#messages img, #messages b, #suggestions img").count() == 0


def test_a_suggestion_is_said_by_a_click(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    say(page, "What now?")
    stage.began()
    stage.finish("Choose", Suggestions(("Tea", "Coffee")))
    page.get_by_role("button", name="Tea").click()
    stage.began(2)
    stage.finish("Here you are")
    shown(page, "What now?", "Choose", "Tea", "Here you are")
    expect(page.locator("#suggestions button")).to_have_count(0)


def test_a_reply_that_fails_says_so(context: BrowserContext, page: Page, stage: Stage) -> None:
    entered(context, page, stage)
    say(page, "Go")
    stage.began()
    stage.say("Half a sen")
    stage.say(3)  # type: ignore[arg-type] # what no bot may yield
    expect(page.locator("#messages .failed")).to_contain_text("Failed: ")


def test_a_message_that_is_too_big_for_a_frame_arrives_all_the_same(
    context: BrowserContext, page: Page, stage: Stage
) -> None:
    entered(context, page, stage)
    say(page, "語" * 30_000)
    stage.began()
    stage.finish("Long")
    expect(messages(page).last).to_have_text("Long")
    whole(page)
    assert stage.puppet.asked == ["語" * 30_000]


def test_older_conversations_can_be_read_back_to_their_beginning(
    context: BrowserContext, page: Page, stage: Stage
) -> None:
    client = stage.enter(context)
    old = stage.call(client, "POST", "/api/conversations/start", json={"bot_id": "puppet"})["conversation_id"]
    for number in range(1, 31):
        path = f"/api/conversations/{old}/messages"
        stage.call(client, "POST", path, json={"content": f"Question {number}"})
        stage.began(number)
        stage.finish(f"Answer {number}")
        stage.call(client, "GET", f"/api/conversations/{old}/history", params={"after": 2 * number - 1, "wait": 20})
    stage.call(client, "DELETE", f"/api/session/{old}")
    at_desk(page, stage)
    page.get_by_role("navigation", name="Conversations").get_by_role("button", name="Answer 30").click()
    expect(messages(page).last).to_have_text("Answer 30")
    expect(messages(page).get_by_text("Question 1", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Show older messages").click()
    expect(messages(page)).to_have_count(60)
    expect(messages(page).first).to_have_text("Question 1")
    expect(page.locator("#ended")).to_contain_text("This conversation has ended")
    expect(page.get_by_label("Message", exact=True)).to_be_hidden()


def test_a_send_past_the_quota_waits_and_says_so(browser: Browser, context: BrowserContext, tmp_path: Path) -> None:
    with raised_stage(tmp_path, limit_user=12) as stage:
        page = entered(context, context.new_page(), stage)
        for number in range(12):
            say(page, f"Message {number}")
        expect(page.locator("#messages .waiting").first).to_contain_text("sent again at")
