"""The real client and a real server process, over TCP connections that break off at any byte, either way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from generalbots_api.client import Client, Sent
from tests.proof.proxy import Fate, any_fate, proxy_to
from tests.proof.served import OPTIONS, client_at, storage, token_at, whole_log
from tests.proof.shown import Shown, check_acknowledged, check_log, without_times
from tests.proof.talker import order
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]

AT_ONCE = 24  # conversations
MOST_CUT = 4  # connections of a conversation; later ones are left alone, so that it comes to an end
RUN_TIMEOUT = 60  # seconds


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    with running_runner(*storage(tmp_path), *OPTIONS, folder=tmp_path) as runner:
        yield runner


async def test_over_320_cut_conversations_nothing_is_lost_doubled_or_shown_otherwise(runner: Runner) -> None:
    assert await cut_conversations(runner, seeds=range(340)) >= 320


@pytest.mark.long
async def test_over_thousands_of_cut_conversations_nothing_is_lost(runner: Runner) -> None:
    assert await cut_conversations(runner, seeds=range(1_000, 6_000)) >= 4_500


async def cut_conversations(runner: Runner, seeds: range) -> int:
    """The number of those that were cut at least once."""
    port = int(runner.base.rpartition(":")[2])
    token = await token_at(runner.base, "alice")
    places = asyncio.Semaphore(AT_ONCE)
    cuts: dict[int, int] = {}

    async def one(seed: int) -> None:
        async with places, asyncio.timeout(RUN_TIMEOUT):
            cuts[seed] = await cut_conversation(direct, port, token, Random(seed))  # noqa: S311 # where to cut

    async with client_at(port, token, keep_alive=True) as direct, asyncio.TaskGroup() as tasks:
        for seed in seeds:
            tasks.create_task(one(seed), name=f"seed {seed}")
    assert [line for line in runner.errors if "Traceback" in line] == []
    print(f"{sum(cuts.values())} cuts in {len(cuts)} conversations")
    return sum(count > 0 for count in cuts.values())


async def cut_conversation(direct: Client, port: int, token: str, random: Random) -> int:
    """Send a few messages at random moments, be shown all of them and their replies; the number of cuts."""
    session = (await direct.create_session("talker")).session_id
    left = random.randrange(1, MOST_CUT + 1)

    def fate() -> Fate:
        nonlocal left
        left -= 1
        return any_fate(random) if left >= 0 else Fate()

    contents = [order(f"{session} {number}", random.randrange(1, 6)) for number in range(random.randrange(1, 4))]
    shown = Shown()
    async with (
        proxy_to(port, fate) as proxy,
        client_at(proxy.port, token) as client,
        client.conversation(session, after_seq=0) as chat,
    ):

        async def send(content: str, wait: float) -> tuple[str, Sent]:
            await asyncio.sleep(wait)
            return content, await chat.send(content)

        sends = [asyncio.create_task(send(content, random.random() * 0.02)) for content in contents]
        await shown.follow(chat, 2 * len(contents))
        sent = await asyncio.gather(*sends)
    stored = await whole_log(direct, session)
    check_log(stored)
    assert {message.status for message in stored} == {"completed"}, "a cut does not end a reply"
    assert len(stored) == 2 * len(contents)
    check_acknowledged(sent, stored)
    assert without_times(shown.messages) == without_times(stored)
    return proxy.cuts
