"""Many who listen to one conversation: each hears all, once and in order, and the event loop is not held for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from generalbots_api.conversations.audience import AT_ONCE, MOST_WAITING, Audience, Listener
from generalbots_api.conversations.events import Event, Typing
from generalbots_api.ids import BotSessionId

pytestmark = pytest.mark.anyio


def an_event(name: str) -> Event:
    return Event(what=Typing(session_id=BotSessionId(name)))


def hall(count: int) -> tuple[Audience, list[list[str]]]:
    """An audience, and what each of it has heard."""
    audience, heard = Audience(leave=lambda: None), [list[str]() for _ in range(count)]
    for mine in heard:
        audience.listeners[partial(hear, mine)] = None
    return audience, heard


def hear(heard: list[str], event: Event) -> None:
    heard.append(event.what.session_id if isinstance(event.what, Typing) else "")


async def test_few_are_told_at_once() -> None:
    audience, heard = hall(AT_ONCE)
    assert audience.tell(an_event("a")) is None
    assert heard == [["a"]] * AT_ONCE


async def test_of_many_some_are_told_in_each_turn_of_the_event_loop() -> None:
    audience, heard = hall(3 * AT_ONCE)
    told = audience.tell(an_event("a"))
    assert told is not None
    found = []
    for _ in range(3):
        found.append((sum(map(len, heard)), told.done()))
        await asyncio.sleep(0)
    assert found == [(AT_ONCE, False), (2 * AT_ONCE, False), (3 * AT_ONCE, True)]
    assert heard == [["a"]] * 3 * AT_ONCE


async def test_all_hear_all_in_order_also_what_is_told_before_the_last_is_through() -> None:
    audience, heard = hall(2 * AT_ONCE + 1)
    names = [str(number) for number in range(MOST_WAITING)]
    last = [audience.tell(an_event(name)) for name in names][-1]
    assert last is not None
    assert sum(map(len, heard)) == AT_ONCE
    await last
    assert heard == [names] * len(heard)


async def test_nothing_piles_up_though_nobody_waits() -> None:
    audience, heard = hall(2 * AT_ONCE)
    names = [str(number) for number in range(10 * MOST_WAITING)]
    for name in names:
        audience.tell(an_event(name))
        assert len(audience._spreading) <= MOST_WAITING
    await told_all(audience)
    assert heard == [names] * len(heard)


async def test_who_leaves_hears_no_more_and_who_comes_hears_only_what_is_told_then() -> None:
    audience, heard = hall(2 * AT_ONCE)
    audience.tell(an_event("a"))
    leaver, late = list(audience.listeners)[-1], list[str]()
    del audience.listeners[leaver]
    audience.listeners[partial(hear, late)] = None
    audience.tell(an_event("b"))
    await told_all(audience)
    assert heard == [*[["a", "b"]] * (2 * AT_ONCE - 1), []]
    assert late == ["b"]


async def test_who_waits_may_be_cancelled() -> None:
    audience, heard = hall(2 * AT_ONCE)
    told = audience.tell(an_event("a"))
    assert told is not None
    told.cancel()
    await told_all(audience)
    assert heard == [["a"]] * len(heard)


async def test_a_listener_may_leave_as_it_hears() -> None:
    audience = Audience(leave=lambda: None)
    heard: list[int] = []

    def leaves(number: int) -> Listener:
        def listener(event: Event) -> None:
            heard.append(number)
            del audience.listeners[listeners[number]]

        return listener

    listeners: list[Callable[[Event], None]] = [leaves(number) for number in range(2 * AT_ONCE)]
    audience.listeners.update(dict.fromkeys(listeners))
    audience.tell(an_event("a"))
    audience.tell(an_event("b"))
    await told_all(audience)
    assert heard == list(range(2 * AT_ONCE))


async def told_all(audience: Audience) -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    assert not audience._spreading
