"""The page in Chromium, as a newcomer meets it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.process import Runner

pytestmark = pytest.mark.browser


def log_in(page: Page, runner: Runner, username: str) -> None:
    page.goto(runner.base)
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(username)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def choose(page: Page, bot: str) -> None:
    page.get_by_role("navigation", name="Bots").get_by_role("button", name=bot).click()
    expect(page.get_by_role("heading", name=bot)).to_be_visible()
    expect(page.locator("#connection")).to_have_text("Connected")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_alice_logs_in_chats_and_logs_out(page: Page, runner: Runner) -> None:
    log_in(page, runner, "alice")
    choose(page, "Echo")
    say(page, "Good morning")
    expect(page.locator("#messages li.bot").last).to_contain_text("Good morning")
    page.reload()
    expect(page.locator("#messages li.bot").last).to_contain_text("Good morning")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    assert not [one for one in page.context.cookies() if one["name"] == "gb_session"]


def test_alice_may_use_the_restricted_bot_by_her_group(page: Page, runner: Runner) -> None:
    log_in(page, runner, "alice")
    choose(page, "Staff desk")
    say(page, "Who am I?")
    expect(page.locator("#messages li.bot").last).to_contain_text("Groups: staff")


def test_bob_does_not_see_the_restricted_bot_nor_the_status(page: Page, runner: Runner) -> None:
    log_in(page, runner, "bob")
    choose(page, "Echo")
    expect(page.get_by_role("navigation", name="Bots").get_by_role("button")).to_have_count(1)
    expect(page.get_by_role("button", name="System status")).to_be_hidden()
    status = page.evaluate(
        """async () => (await fetch("api/session/create", {method: "POST", body: JSON.stringify({bot_id: "staff"}),
            headers: {"Content-Type": "application/json"}})).status"""
    )
    assert status == 403


def test_an_admin_sees_the_system_status(page: Page, runner: Runner) -> None:
    log_in(page, runner, "admin")
    page.get_by_role("button", name="System status").click()
    expect(page.locator("#overall")).to_have_text("healthy")
    expect(page.get_by_role("cell", name="storage")).to_be_visible()


def test_an_error_is_shown_with_its_code(page: Page, runner: Runner) -> None:
    log_in(page, runner, "alice")
    choose(page, "Echo")
    page.evaluate("document.querySelector('#content').removeAttribute('maxlength')")
    say(page, "x" * 32_001)
    expect(page.locator("#messages .refused")).to_contain_text("INVALID_REQUEST")
    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#messages .refused")).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_have_value("x" * 32_001)


def test_a_session_that_ended_elsewhere_says_so(page: Page, runner: Runner) -> None:
    log_in(page, runner, "alice")
    choose(page, "Echo")
    page.evaluate("""fetch("auth/logout", {method: "POST"})""")
    expect(page.get_by_role("alert")).to_contain_text("Log in again")
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


def test_the_page_works_by_keyboard_on_a_phone(page: Page, runner: Runner) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.goto(runner.base)
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    page.keyboard.press("Tab")  # the skip link
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("bob")
    page.keyboard.press("Tab")
    page.keyboard.type("bob")
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Connected")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#messages li.bot").last).to_contain_text("By keyboard")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
