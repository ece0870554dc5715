"""The page as a person uses it."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.stage import Stage


def at_desk(page: Page, stage: Stage) -> Page:
    """Logged in, and connected."""
    page.goto(stage.base)
    connected(page)
    expect(page.locator("#conversations [aria-current=true]")).to_have_count(1)
    return page


def entered(context: BrowserContext, page: Page, stage: Stage) -> Page:
    stage.enter(context)
    return at_desk(page, stage)


def connected(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("Connected")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def messages(page: Page) -> Locator:
    """Their texts."""
    return page.locator("#messages li .text")


def shown(page: Page, *texts: str) -> None:
    """These, in this order, and no others."""
    expect(messages(page)).to_have_text(list(texts))


def whole(page: Page) -> None:
    """Nothing is being written or sent."""
    expect(page.locator("#messages").locator(".writing, .stopping, .sending, .waiting")).to_have_count(0)
