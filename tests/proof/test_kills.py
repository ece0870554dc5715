"""kill -9 of a real server process in the middle of replies, a new one on the same database, clients that resume."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from generalbots_api.client import Client, Message, Sent
from tests.proof.proxy import Fate, Proxy, proxy_to
from tests.proof.served import OPTIONS, client_at, storage, token_at, whole_log
from tests.proof.shown import Shown, check_acknowledged, check_log, without_times
from tests.proof.talker import order
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]

LOST_WITHIN = 20  # seconds. Source: chat-protocol, "The socket"


@dataclass
class Talk:
    """One conversation over all the lives of the server."""

    session: str
    shown: Shown = field(default_factory=Shown)
    sent: list[tuple[str, Sent]] = field(default_factory=list)


async def no_kill_loses_anything(folder: Path, seed: int, *, kills: int, talks: int) -> None:
    """A server is killed so many times while conversations go on; then all is looked at."""
    random, stopping = Random(seed), asyncio.Event()  # noqa: S311 # when to kill
    async with Lives(folder) as lives:
        await lives.begin()
        token = await token_at(lives.runner.base, "alice")
        async with client_at(lives.proxy.port, token) as client:
            sessions = [Talk((await client.create_session("talker")).session_id) for _ in range(talks)]
            epochs = {(await client.history(one.session)).epoch for one in sessions}
            async with asyncio.TaskGroup() as tasks:
                for one in sessions:
                    chance = Random(f"{seed} {one.session}")  # noqa: S311 # what to say
                    tasks.create_task(converse(client, one, chance, stopping))
                for _ in range(kills):
                    await some_replies_begun(sessions)
                    await asyncio.sleep(random.random() * 0.1)
                    await lives.again()
                stopping.set()
            stored = {one.session: await whole_log(client, one.session) for one in sessions}
            assert {(await client.history(one.session)).epoch for one in sessions} == epochs
    for one in sessions:
        check(one, stored[one.session])
    cut = [message for log in stored.values() for message in log if message.status == "interrupted"]
    assert cut, "no reply was cut: nothing was proved"
    print(f"{kills} kills, {sum(map(len, stored.values()))} messages, {len(cut)} replies interrupted")


async def converse(client: Client, talk: Talk, random: Random, stopping: asyncio.Event) -> None:
    """Send one after another until it is to stop, and be shown all of it."""
    async with client.conversation(talk.session, after_seq=0) as chat:
        following = asyncio.create_task(talk.shown.follow(chat))
        while not stopping.is_set():
            content = order(f"{talk.session} {len(talk.sent)}", random.randrange(1, 30), 10)
            talk.sent.append((content, await chat.send(content)))
            await talk.shown.reached(2 * len(talk.sent) - 2, LOST_WITHIN)
        await talk.shown.reached(2 * len(talk.sent), LOST_WITHIN)
        following.cancel()


async def some_replies_begun(talks: list[Talk]) -> None:
    """Return when half of the conversations have got pieces since now."""
    async with asyncio.timeout(LOST_WITHIN), asyncio.TaskGroup() as tasks:
        for one in talks[::2]:
            tasks.create_task(one.shown.more())


def check(talk: Talk, stored: list[Message]) -> None:
    check_log(stored)
    assert {message.status for message in stored} <= {"completed", "interrupted"}
    check_acknowledged(talk.sent, stored)
    assert without_times(talk.shown.messages) == without_times(stored)


@dataclass
class Lives:
    """One server after another on one database, behind one port."""

    folder: Path
    proxy: Proxy = field(init=False)
    runner: Runner = field(init=False)
    _context: Any = None
    _proxy_context: Any = None

    async def begin(self) -> None:
        self._context = running_runner(*storage(self.folder), *OPTIONS, folder=self.folder)
        self.runner = await asyncio.to_thread(self._context.__enter__)
        self.proxy.target = int(self.runner.base.rpartition(":")[2])

    async def again(self) -> None:
        """Kill the server, with whatever it does, and start the next one."""
        self.runner.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._context.__exit__, None, None, None)
        assert self.runner.process.returncode == -signal.SIGKILL
        await self.begin()

    async def __aenter__(self) -> Lives:
        self._proxy_context = proxy_to(0, Fate)
        self.proxy = await self._proxy_context.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._proxy_context.__aexit__(None, None, None)
        if self._context is not None:
            await asyncio.to_thread(self._context.__exit__, None, None, None)


async def test_three_kills_in_the_middle_of_replies_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    await no_kill_loses_anything(tmp_path, 1, kills=3, talks=12)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
async def test_many_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    await no_kill_loses_anything(tmp_path, seed, kills=15, talks=60)
