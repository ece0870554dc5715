"""What watches the sockets goes on whatever it meets, and keeps to the bounds that it has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import pytest

from generalbots_api import Bot, EchoBot
from generalbots_api.ids import BotId
from generalbots_api.ws.flood import Flood
from tests.chat.conftest import Stage
from tests.support.events import listening
from tests.support.puppet import new_session, talk
from tests.support.service import running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


@dataclass
class Moody:
    """A catalogue that raises what it likes once it is upset."""

    bots: Sequence[Bot] = field(default_factory=lambda: (EchoBot(),))
    is_upset: bool = False

    async def all(self) -> Sequence[Bot]:
        return self.bots

    async def get(self, id: BotId, /) -> Bot | None:
        if self.is_upset:
            raise ConnectionError("the catalogue's own database is away")
        return self.bots[0]


async def test_a_catalogue_that_raises_does_not_end_the_watch_over_sockets() -> None:
    catalog = Moody()
    async with running_service(bots=catalog) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await new_session(client, "echo")
            async with talk(service, token, session) as one:
                await one.subscribe()
                catalog.is_upset = True
                await service.gb._services.sockets.confirm()
                catalog.is_upset = False
                await one.send("Hello")
                assert (await one.hear_until("message"))[-1]["content"] == "Hello"


async def test_a_stream_ends_behind_the_end_of_its_session(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {stage.token}"}
    path = f"/api/conversations/{stage.session}/events"
    async with listening(stage.service.app, "GET", path, headers) as source:
        begun = await source.hear()
        assert (await stage.client.delete(f"/api/session/{stage.session}")).status_code == 200
        end = await source.hear()
        with pytest.raises(anyio.EndOfStream):
            await source.hear()
    assert (end["event"], end["id"]) == ("session.updated", begun["id"].replace(":0", ":1"))
    assert (await stage.client.get(path)).status_code == 404  # so that an EventSource does not come back


async def test_handshakes_at_once_do_not_pass_the_bound() -> None:
    async with running_service(bots=[EchoBot()], settings={"max_sockets": 3}) as service:
        token, firsts = await service.token("alice"), []
        all_answered, leave = anyio.Event(), anyio.Event()

        async def come() -> None:
            async with service.socket(token, subprotocols=["gb.v1"]) as socket:
                firsts.append(json.loads(await socket.receive_text()))
                if len(firsts) == 8:
                    all_answered.set()
                await leave.wait()

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(come)
            with anyio.fail_after(10):
                await all_answered.wait()
            leave.set()
    refused = [first for first in firsts if first["type"] != "hello"]
    assert len(refused) == 5
    assert {(first["type"], first["code"], first["reconnect"]) for first in refused} == {("goodbye", 1013, True)}


async def test_a_login_that_was_renewed_is_told_of_its_end_too(stage: Stage) -> None:
    sockets, clock = stage.service.gb._services.sockets, stage.service.clock
    async with talk(stage.service, stage.token, stage.session) as one:
        for _ in range(2):
            ends = datetime.fromisoformat(one.hello["session_expires_at"]).astimezone(UTC)
            clock.advance((ends - clock.now()).total_seconds() - 30)
            await sockets.sweep()
            await one.hear_until("session.expiring")
            await one.say({"type": "auth", "token": await stage.service.token("alice")})
            one.hello = (await one.hear_until("hello"))[-1]
            await sockets.sweep()


def test_a_flood_goes_on_though_some_of_its_frames_are_within_the_rate() -> None:
    flood = Flood(per_second=20, burst=40)
    for number in range(2_000):
        flood.take(1_000 + number / 200)
    assert flood.goes_on


def test_a_client_that_pauses_when_it_is_told_is_no_flood() -> None:
    flood, now = Flood(per_second=20, burst=40), 1_000.0
    for _ in range(100):
        while flood.take(now):
            now += 0.001
        now += 1
    assert not flood.goes_on
