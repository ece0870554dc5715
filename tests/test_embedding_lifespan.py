"""The lifespan in a host's app: run by it, forgotten, counted, failing, and with hosts that know none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from generalbots_api import GeneralBots
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.storage import StorageError
from generalbots_api.web.lifespan import Lifespan
from tests.support.hosts import browser, new_service, served

pytestmark = pytest.mark.anyio


class Counted(MemoryStorage):
    """Tells how often it was opened and closed; may refuse to open, and may take its time to close."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = self.closed = 0
        self.is_damaged = False
        self.tasks: list[Any] = []
        self.may_close = asyncio.Event()
        self.may_close.set()

    async def __aenter__(self) -> Counted:
        if self.is_damaged:
            raise StorageError("generalbots.db is damaged")
        self.opened += 1
        self.tasks.append(asyncio.current_task())
        await super().__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.may_close.wait()
        self.closed += 1
        self.tasks.append(asyncio.current_task())
        await super().__aexit__(*error)


def counted() -> tuple[GeneralBots, Counted]:
    storage = Counted()
    return new_service(storage=storage)[0], storage


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def installed(gb: GeneralBots, app: Any, *prefixes: str) -> Any:
    for prefix in prefixes:
        gb.install(app, prefix)
    return app


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    """As Django does: the protocol is not known."""
    if scope["type"] != "http":
        raise ValueError("only HTTP here")
    await PlainTextResponse("host")(scope, receive, send)


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    """Says nothing to what it does not know."""
    if scope["type"] == "http":
        await PlainTextResponse("host")(scope, receive, send)


WAYS: dict[str, Callable[[GeneralBots], Any]] = {
    "bare": lambda gb: gb,
    "installed": lambda gb: installed(gb, Starlette(), "/bots"),
    "in FastAPI": lambda gb: installed(gb, FastAPI(), "/bots"),
    "twice": lambda gb: installed(gb, Starlette(), "/bots", "/again"),
    "given": lambda gb: Starlette(lifespan=gb.lifespan),
    "given to FastAPI": lambda gb: FastAPI(lifespan=gb.lifespan),
    "wrapped": lambda gb: gb.wrap(Starlette(), "/bots"),
    "wrapped and given": lambda gb: gb.wrap(FastAPI(lifespan=gb.lifespan), "/bots"),
    "host raises": lambda gb: gb.wrap(raises, "/bots"),
    "host returns": lambda gb: gb.wrap(returns, "/bots"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_run_the_lifespan_opens_and_closes_once(way: str, caplog: pytest.LogCaptureFixture) -> None:
    gb, storage = counted()
    async with served(WAYS[way](gb)) as hand:
        assert hand.said == ["lifespan.startup.complete"]
        assert (storage.opened, storage.closed) == (1, 0)
    assert hand.said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert hand.error is None
    assert (storage.opened, storage.closed) == (1, 1)
    assert len(set(storage.tasks)) == 1  # entered and left by the same task
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_storage_that_cannot_be_opened_fails_the_start_of_every_host(way: str) -> None:
    gb, storage = counted()
    storage.is_damaged = True
    async with served(WAYS[way](gb)) as hand:
        assert hand.said == ["lifespan.startup.failed"]
    assert hand.said == ["lifespan.startup.failed"]
    assert storage.opened == 0


@pytest.mark.parametrize("host", [raises, returns])
async def test_a_wrapped_host_without_lifespan_is_served(host: Any) -> None:
    gb, _ = counted()
    app = gb.wrap(host, "/bots")
    async with served(app), browser(app) as client:
        assert (await client.get("/bots/ready")).status_code == 200
        assert (await client.get("/elsewhere")).text == "host"


async def test_a_wrapped_host_that_fails_to_start_fails() -> None:
    """Starlette says `startup.failed` and raises; nothing may take that back."""

    @asynccontextmanager
    async def broken(app: object) -> AsyncIterator[None]:
        raise LookupError("the host's database is gone")
        yield

    gb, storage = counted()
    async with served(gb.wrap(Starlette(lifespan=broken), "/bots")) as hand:
        pass
    assert hand.said == ["lifespan.startup.failed"]
    assert storage.opened == storage.closed


async def test_a_host_that_fails_to_stop_is_heard_and_ours_is_closed() -> None:
    @asynccontextmanager
    async def broken(app: object) -> AsyncIterator[None]:
        yield
        raise LookupError("the host does not let go")

    for build in (lambda gb, app: gb.wrap(app), lambda gb, app: gb.install(app, "/bots") or app):
        gb, storage = counted()
        async with served(build(gb, Starlette(lifespan=broken))) as hand:
            pass
        assert hand.said == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
        assert (storage.opened, storage.closed) == (1, 1)


async def test_the_hosts_lifespan_runs_inside_ours_and_its_state_is_passed_on() -> None:
    gb, storage = counted()

    @asynccontextmanager
    async def mine(app: object) -> AsyncIterator[dict[str, int]]:
        yield {"opened": storage.opened}
        assert storage.closed == 0

    for app in (Starlette(lifespan=mine), FastAPI(lifespan=mine)):
        gb, storage = counted()
        gb.install(app, "/bots")
        async with served(app) as hand:
            assert hand.state == {"opened": 1}
        assert hand.error is None


async def test_a_forgotten_lifespan_starts_once_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    gb, storage = counted()
    app = Starlette(routes=[Mount("/bots", app=gb)])
    async with browser(app) as client:
        answers = await asyncio.gather(*(client.get("/bots/health") for _ in range(20)))
        answers += [await client.get("/bots/ready") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert storage.opened == 1
    (warning,) = warnings_in(caplog)
    assert "gb.install(app)" in warning
    async with gb.lifespan():
        assert storage.opened == 1  # it goes on with what is open
    assert storage.closed == 1


async def test_a_forgotten_lifespan_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    gb, storage = counted()
    storage.is_damaged = True
    async with browser(gb) as client:
        for _ in range(3):
            assert (await client.get("/health")).json()["error"]["code"] == "SERVER_ERROR"
        storage.is_damaged = False
        assert (await client.get("/health")).status_code == 200
    assert len([one for one in warnings_in(caplog) if "gb.install" in one]) == 1
    async with gb.lifespan():
        pass


async def test_the_lifespan_is_counted() -> None:
    gb, storage = counted()
    async with gb.lifespan():
        async with gb.lifespan(), gb.lifespan():
            assert (storage.opened, storage.closed) == (1, 0)
        assert (storage.opened, storage.closed) == (1, 0)
    assert (storage.opened, storage.closed) == (1, 1)
    async with gb.lifespan(), browser(gb) as client:
        assert (await client.get("/ready")).status_code == 200
    assert (storage.opened, storage.closed) == (2, 2)


async def test_a_lifespan_that_begins_while_another_ends_gets_a_storage_that_is_open() -> None:
    gb, storage = counted()
    first = gb.lifespan()
    await first.__aenter__()
    storage.may_close.clear()
    ending = asyncio.create_task(first.__aexit__(None, None, None))
    for _ in range(5):
        await asyncio.sleep(0)
    second = gb.lifespan()
    beginning = asyncio.create_task(second.__aenter__())
    for _ in range(5):
        await asyncio.sleep(0)
    storage.may_close.set()
    await asyncio.gather(ending, beginning)
    assert (storage.opened, storage.closed) == (2, 1)
    await second.__aexit__(None, None, None)
    assert (storage.opened, storage.closed) == (2, 2)


async def test_what_the_body_raises_is_raised_and_everything_is_closed() -> None:
    gb, storage = counted()
    with pytest.raises(LookupError, match="mine"):
        async with gb.lifespan():
            raise LookupError("mine")
    assert (storage.opened, storage.closed) == (1, 1)


def test_nothing_is_opened_before_the_lifespan_and_outside_an_event_loop() -> None:
    gb, storage = counted()
    Starlette(routes=gb.mounts, lifespan=gb.lifespan)
    gb.install(FastAPI(), "/bots")
    gb.wrap(raises, "/bots")
    assert storage.opened == 0


async def test_nothing_is_begun_in_the_background_once_the_backends_close() -> None:
    """A task group that has no tasks any more would take it, and not wait for it."""
    storage, refused = Counted(), list[str]()

    async def late() -> None:
        await anyio.sleep_forever()

    @asynccontextmanager
    async def open_all() -> AsyncIterator[None]:
        async with storage:
            yield

    async def ends_with_the_service() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            try:
                lifespan.background(late)
            except RuntimeError as error:
                refused.append(str(error))

    lifespan = Lifespan(open_all)
    async with lifespan.hold():
        lifespan.background(ends_with_the_service)
    assert refused == ["the lifespan is not running"]
    assert storage.closed == 1
