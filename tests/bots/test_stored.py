"""`StoredBots`: bots come, change and go with their records, and no bad record harms the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import anyio
import httpx2
import pytest

from generalbots_api import BotAccess, BotInfo, BotStatus, Caller, EchoBot, Opening, Piece, Turn
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.bots.model import BotRecord
from generalbots_api.bots.ports import BotGone, Greets
from generalbots_api.bots.running import Running
from generalbots_api.bots.service import Bots
from generalbots_api.bots.stored import StoredBots
from generalbots_api.ids import BotId, UserId
from generalbots_api.testing import ManualClock, ManualTurn
from generalbots_api.testing.clock import NOON
from tests.support.promises import STORAGES, new_storage
from tests.support.service import running_service
from tests.test_bots import ask, open_session

pytestmark = pytest.mark.anyio


def a_record(id: str = "shop", **fields: Any) -> BotRecord:
    return BotRecord(**{"id": BotId(id), "name": id.title(), "kind": "says", "updated_at": NOON, **fields})


@dataclass(eq=False)
class Says:
    """Says what its record says, and tells of its life."""

    info: BotInfo
    text: str
    life: list[str]
    go: anyio.Event | None = None

    async def __aenter__(self) -> Self:
        if self.text == "jammed":
            raise OSError("jammed")
        self.life.append(f"{self.text} opens")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.life.append(f"{self.text} closes")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        yield self.text
        if self.go is not None:
            await self.go.wait()
        yield "."


@dataclass
class Shop:
    """A catalogue on records in memory, and what became of its bots."""

    records: Any = field(default_factory=lambda: MemoryStorage().bot_records)
    clock: ManualClock = field(default_factory=ManualClock)
    life: list[str] = field(default_factory=list)
    go: anyio.Event | None = None

    def catalog(self, *also: Any) -> StoredBots:
        return StoredBots(self.records, kinds={"says": self.make, "greets": greeter}, also=also, clock=self.clock)

    def make(self, record: BotRecord) -> Says:
        return Says(record.info, record.options["text"], self.life, self.go)


def greeter(record: BotRecord) -> Any:
    class Greeter(EchoBot):
        async def greet(self, opening: Opening, /) -> AsyncIterator[Piece]:
            yield "Welcome"

    return Greeter(record.info)


async def shown(client: httpx2.AsyncClient) -> list[tuple[str, str, str]]:
    bots = (await client.get("/api/bots")).json()["bots"]
    return [(bot["id"], bot["name"], bot["status"]) for bot in bots]


@pytest.mark.parametrize("name", STORAGES)
async def test_a_bot_appears_changes_and_disappears_without_a_restart(name: str, tmp_path: Path) -> None:
    storage, clock = new_storage(name, tmp_path), ManualClock()
    shop = Shop(storage.bot_records, clock)
    async with running_service(bots=shop.catalog(EchoBot()), storage=storage, clock=clock) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            assert await shown(client) == [("echo", "Echo", "online")]
            await storage.bot_records.put(a_record(options={"text": "one"}))
            clock.advance(1)
            assert await shown(client) == [("echo", "Echo", "online"), ("shop", "Shop", "online")]
            session = await open_session(service, client, "shop")
            assert (await ask(service, token, session))["content"] == "one."
            await storage.bot_records.put(a_record(name="Store", options={"text": "two"}))
            clock.advance(1)
            assert (await ask(service, token, session))["content"] == "two."
            assert (await shown(client))[1] == ("shop", "Store", "online")
            assert shop.life == ["one opens", "two opens", "one closes"]
            await storage.bot_records.put(a_record(options={"text": "two"}, status=BotStatus.MAINTENANCE))
            clock.advance(1)
            assert (await shown(client))[1] == ("shop", "Shop", "maintenance")
            await storage.bot_records.put(a_record(options={"text": "2"}, access=BotAccess(roles=frozenset({"x"}))))
            clock.advance(1)
            assert await shown(client) == [("echo", "Echo", "online")]
            assert (await ask(service, token, session))["error"]["code"] == "FORBIDDEN"
            await storage.bot_records.remove(BotId("shop"))
            clock.advance(1)
            assert (await ask(service, token, session))["error"]["code"] == "NOT_FOUND"
    assert sorted(shop.life) == sorted([f"{text} {what}" for text in ("one", "two", "two", "2") for what in LIFE])


LIFE = ("opens", "closes")


async def test_records_are_read_once_a_second_at_most_whoever_asks() -> None:
    class Counted:
        reads = 0

        async def all(self) -> list[BotRecord]:
            self.reads += 1
            await asyncio.sleep(0)
            return [a_record(options={"text": "one"})]

    shop = Shop(Counted())
    catalog = shop.catalog()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(catalog.all)
            tasks.start_soon(catalog.get, BotId("shop"))
    assert shop.records.reads == 1
    shop.clock.advance(0.9)
    await catalog.all()
    assert shop.records.reads == 1
    shop.clock.advance(0.1)
    await catalog.all()
    assert shop.records.reads == 2
    assert shop.life == ["one opens"]  # it is kept while its record is the same
    await catalog.__aexit__()


@pytest.mark.parametrize(
    "bad",
    [
        a_record("bad", kind="unknown"),
        a_record("bad", options={}),
        a_record("bad", options={"text": "jammed"}),
    ],
)
async def test_a_bad_record_is_offline_and_logged_once_and_the_others_work(
    bad: BotRecord, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    await shop.records.put(bad)
    await shop.records.put(a_record(options={"text": "one"}))
    async with running_service(bots=shop.catalog(), clock=shop.clock) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            with caplog.at_level(logging.ERROR, "generalbots_api.bots"):
                for _ in range(3):
                    assert await shown(client) == [("bad", "Bad", "offline"), ("shop", "Shop", "online")]
                    shop.clock.advance(1)
            assert len(caplog.records) == 1
            assert vars(caplog.records[0])["bot_id"] == "bad"
            assert (await client.post("/api/session/create", json={"bot_id": "bad"})).status_code == 503
            session = await open_session(service, client, "shop")
            assert (await ask(service, token, session))["content"] == "one."
            await shop.records.put(replace(bad, kind="says", options={"text": "good"}))
            shop.clock.advance(1)
            assert (await shown(client))[0] == ("bad", "Bad", "online")


async def test_a_bot_that_could_not_be_opened_is_tried_again_after_a_while() -> None:
    shop, tries = Shop(), []

    def make(record: BotRecord) -> Says:
        tries.append(record)
        return Says(record.info, "jammed" if len(tries) == 1 else "well", shop.life)

    await shop.records.put(a_record())
    catalog = StoredBots(shop.records, kinds={"says": make}, clock=shop.clock)
    async with running_service(bots=catalog, clock=shop.clock) as service, await service.bearer("alice") as client:
        assert await shown(client) == [("shop", "Shop", "offline")]
        shop.clock.advance(29)
        assert await shown(client) == [("shop", "Shop", "offline")]
        shop.clock.advance(1)
        assert await shown(client) == [("shop", "Shop", "online")]


async def nothing(piece: Piece) -> None:
    """Take it and forget it."""


async def test_a_bot_that_is_replaced_is_closed_when_its_last_turn_ends() -> None:
    shop = Shop(go=anyio.Event())
    await shop.records.put(a_record(options={"text": "one"}))
    async with shop.catalog() as catalog:
        bot = await catalog.get(BotId("shop"))
        assert bot is not None
        begun = anyio.Event()

        async def take(piece: Piece) -> None:
            begun.set()

        turn = asyncio.create_task(Running().run(bot, ManualTurn("Hello"), take))
        await begun.wait()
        await shop.records.put(a_record(options={"text": "two"}))
        shop.clock.advance(1)
        await catalog.all()
        assert shop.life == ["one opens", "two opens"]
        assert shop.go is not None
        shop.go.set()
        await turn
    assert shop.life == ["one opens", "two opens", "one closes", "two closes"]


async def test_a_turn_that_waited_gets_the_bot_of_now_and_none_once_it_is_removed() -> None:
    shop = Shop()
    await shop.records.put(a_record(options={"text": "one"}))
    async with shop.catalog() as catalog:
        bot, taken = await catalog.get(BotId("shop")), list[Piece]()
        assert bot is not None

        async def take(piece: Piece) -> None:
            taken.append(piece)

        await shop.records.put(a_record(options={"text": "two"}))
        shop.clock.advance(1)
        await catalog.all()
        await Running().run(bot, ManualTurn("Hello"), take)
        assert taken == ["two", "."]
        await shop.records.remove(BotId("shop"))
        shop.clock.advance(1)
        await catalog.all()
        with pytest.raises(BotGone):
            await Running().run(bot, ManualTurn("Hello"), take)


async def test_a_given_bot_hides_a_record_with_its_id() -> None:
    shop = Shop()
    await shop.records.put(a_record("echo", options={"text": "not me"}))
    echo = EchoBot()
    async with shop.catalog(echo) as catalog:
        assert await catalog.all() == [echo]
        assert await catalog.get(BotId("echo")) is echo
    assert shop.life == []


async def test_a_stored_bot_greets_if_its_bot_does() -> None:
    shop = Shop()
    await shop.records.put(a_record("a", kind="greets"))
    await shop.records.put(a_record("b", options={"text": "one"}))
    taken: list[Piece] = []

    async def take(piece: Piece) -> None:
        taken.append(piece)

    async with shop.catalog() as catalog:
        bots = await catalog.all()
        assert [isinstance(bot, Greets) for bot in bots] == [True, False]
        for bot in bots:
            await Running().run(bot, ManualTurn("Hello"), take, is_greeting=True)
    assert taken == ["Welcome"]


async def test_a_stored_bot_may_run_in_a_thread() -> None:
    class Worker:
        info = BotInfo("shop", "Shop")

        def reply(self, turn: Turn, /) -> Iterator[Piece]:
            yield "from a thread"

    shop, taken = Shop(), list[Piece]()

    async def take(piece: Piece) -> None:
        taken.append(piece)

    await shop.records.put(a_record(kind="worker"))
    async with StoredBots(shop.records, kinds={"worker": lambda _: Worker()}, clock=shop.clock) as catalog:
        await Running().run((await catalog.all())[0], ManualTurn("Hello"), take)
    assert taken == ["from a thread"]


async def test_a_slow_opening_holds_up_nobody_and_is_offline_until_it_is_done() -> None:
    go = anyio.Event()

    @dataclass(frozen=True)
    class Slow(EchoBot):
        async def __aenter__(self) -> Self:
            await go.wait()
            return self

        async def __aexit__(self, *exc_info: object) -> None:
            """Nothing to do."""

    shop = Shop()
    await shop.records.put(a_record(kind="slow"))
    kinds = {"slow": lambda record: Slow(record.info)}
    async with StoredBots(shop.records, kinds=kinds, clock=shop.clock, opening=0.05) as catalog:
        bots = Bots(catalog, shop.clock)
        caller = Caller(user_id=UserId("1"))
        assert [bot.status for bot in await bots.listed(caller)] == ["offline"]
        go.set()
        shop.clock.advance(5)  # what it said of its health is believed for so long
        assert [bot.status for bot in await bots.listed(caller)] == ["online"]
