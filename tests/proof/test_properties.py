"""Client and service driven through random cuts, deaths, repeats and reorderings, against what must hold."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.proof.finale import finish
from tests.proof.reader import Reader
from tests.proof.talker import order
from tests.proof.world import World, world
from tests.support.promises import STORAGES, new_storage

DOORS = st.sampled_from(["ws", "ws", "ws", "library", "library", "rest", "batch", "sse"])
WHO = st.integers(0, 2)
BUSY = st.sampled_from(["queue", "queue", "interrupt", "reject"])
STEPS = st.one_of(
    st.tuples(st.just("send"), DOORS, WHO, st.integers(1, 12), BUSY),
    st.tuples(st.just("repeat"), DOORS, WHO, st.integers(0, 20)),
    st.tuples(st.just("cut"), WHO, st.booleans()),
    st.tuples(st.just("connect"), WHO, st.sampled_from(["here", "here", "start", "back", "live"])),
    st.tuples(st.just("again"), WHO, st.sampled_from(["here", "start", "back"])),
    st.tuples(st.just("pause"), WHO),
    st.tuples(st.just("cut_reader"), st.booleans()),
    st.tuples(st.just("reload")),
    st.tuples(st.just("cancel"), st.sampled_from(["ws", "rest"]), WHO, st.booleans()),
    st.tuples(st.just("let"), st.integers(1, 15)),
    st.tuples(st.just("let"), st.integers(1, 15)),
    st.tuples(st.just("wait"), st.integers(1, 60)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(st.just("restart"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("lose"), st.integers(1, 4)),
)  # fmt: skip
SCRIPTS = st.lists(STEPS, min_size=5, max_size=40)
Step = tuple[Any, ...]


class Play:
    """Does one step after another."""

    def __init__(self, world: World, max_events: int) -> None:
        self.world = world
        self.reader = Reader(world, max_events=max_events)

    async def begin(self, messages: int) -> None:
        """Everybody follows; there are some messages already."""
        self.world.gate.open()
        for _ in range(messages):
            id = f"c-{len(self.world.sent)}"
            self.world.sent[id] = order(f"{id} x", 2, 0)
            await self.world.send("sse", id, "queue", self.world.alive[0])
        self.world.gate.is_open = False
        self.world.gate.credits = 0
        for who in range(3):
            await self.connect(who, "start")
        self.reader.begin()

    async def step(self, step: Step) -> None:
        act: Callable[..., Any] = getattr(self, step[0])
        await act(*step[1:])
        await anyio.lowlevel.checkpoint()

    async def send(self, door: str, who: int, pieces: int, if_busy: str) -> None:
        id = f"c-{len(self.world.sent)}"
        ending = "fail" if pieces % 5 == 4 else "x"
        self.world.sent[id] = order(f"{id} {ending}", pieces, 0)
        await self._say(door, who, id, if_busy)

    async def repeat(self, door: str, who: int, which: int) -> None:
        if self.world.sent:
            await self._say(door, who, list(self.world.sent)[which % len(self.world.sent)], "queue")

    async def _say(self, door: str, who: int, id: str, if_busy: str) -> None:
        world, node = self.world, self._node(who)
        if door == "library":
            world.tasks.start_soon(self.reader.send, id, if_busy)
            return
        if door != "ws":
            if node is not None:
                world.tasks.start_soon(world.send, door, id, if_busy, node)
            return
        watcher = world.watchers[who % 2]
        if watcher.wire is not None and watcher.wire.code is None:
            frame = {"type": "message", "session_id": world.session, "content": world.sent[id], "id": id}
            watcher.wire.say({**frame, "if_busy": if_busy})

    async def cut(self, who: int, loses: bool) -> None:
        watcher = self.world.watchers[who]
        if watcher.wire is not None:
            watcher.wire.cut(loses=loses)
            watcher.wire = None

    async def cut_reader(self, loses: bool) -> None:
        self.reader.cut(loses=loses)

    async def reload(self) -> None:
        self.reader.begin()

    async def connect(self, who: int, place: str) -> None:
        watcher, node = self.world.watchers[who], self._node(who)
        if watcher.wire is None and node is not None:
            await self.world.connect(watcher, node, self._after(who, place))

    async def again(self, who: int, place: str) -> None:
        watcher = self.world.watchers[who % 2]
        if watcher.wire is not None and watcher.is_subscribed:
            watcher.wire.say(watcher.subscription(self._after(who % 2, place)))

    def _after(self, who: int, place: str) -> int | None:
        seq = self.world.watchers[who].seq
        if place == "live":
            return None
        return 0 if place == "start" or seq is None else seq // 2 if place == "back" else seq

    async def pause(self, who: int) -> None:
        watcher = self.world.watchers[who]
        watcher.is_paused = not watcher.is_paused
        watcher.tell()

    async def cancel(self, door: str, who: int, is_named: bool) -> None:
        watcher, node = self.world.watchers[who % 2], self._node(who)
        reply = {"reply_id": watcher.running} if is_named and watcher.running is not None else {}
        if door == "rest" and node is not None:
            path = f"/api/conversations/{self.world.session}/cancel"
            self.world.tasks.start_soon(self.world.ask, "POST", path, reply)
        elif watcher.wire is not None:
            watcher.wire.say({"type": "cancel", "session_id": self.world.session, **reply})

    async def let(self, pieces: int) -> None:
        self.world.gate.let(pieces)
        await self.wait(5)

    async def wait(self, turns: int) -> None:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()

    async def drop(self, which: int) -> None:
        """A request whose client goes; some servers cancel it then."""
        requests = [wire for node in self.world.alive for wire in node.wires if "test.cancel" in wire.scope]
        if requests:
            wire = requests[which % len(requests)]
            wire.cut(loses=False)
            if which % 2:
                wire.scope["test.cancel"].cancel()

    async def restart(self, place: int, dies: bool) -> None:
        place %= len(self.world.nodes)
        await self.world.stop(place, dies=dies)
        await self.world.start(place)
        if dies and self.world.random.random() < 0.5:
            await self.world.find_the_dead()

    async def lose(self, news: int) -> None:
        if len(self.world.nodes) > 1:
            self.world.bus.losing = news
            self.world.not_exact()

    def _node(self, who: int) -> Any:
        return self.world.nodes[who % len(self.world.nodes)]


@pytest.fixture(autouse=True)
def hushed() -> Iterator[None]:
    """A node that dies says a lot."""
    logger = logging.getLogger("generalbots_api")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


async def play(kind: str, nodes: int, before: int, seed: int, script: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, anyio.fail_after(30):
        async with world(new_storage(kind, Path(folder)), seed, nodes=nodes) as one:
            acting = Play(one, max_events=4 if seed % 3 == 0 else 256)
            await acting.begin(before)
            for step in script:
                await acting.step(step)
            await finish(one, acting.reader)


CALM = settings(
    derandomize=True,
    deadline=None,
    max_examples=80,
    database=None,
    phases=[Phase.generate],  # to shrink takes minutes: add Phase.shrink when something is found
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("nodes", [1, 2])
@CALM
@given(before=st.sampled_from([0, 3, 12]), seed=st.integers(0, 2**16), script=SCRIPTS)
def test_whatever_happens_the_log_holds_what_was_acknowledged(
    nodes: int, before: int, seed: int, script: list[Step]
) -> None:
    anyio.run(play, "memory", nodes, before, seed, script)


@pytest.mark.skipif("sqlite" not in STORAGES, reason="an installation without SQLite")
@pytest.mark.parametrize("nodes", [1, 2])
@settings(CALM, max_examples=20)
@given(before=st.sampled_from([0, 3, 12]), seed=st.integers(0, 2**16), script=SCRIPTS)
def test_whatever_happens_a_database_holds_what_was_acknowledged(
    nodes: int, before: int, seed: int, script: list[Step]
) -> None:
    anyio.run(play, "sqlite", nodes, before, seed, script)


@pytest.mark.long
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("kind", STORAGES)
@settings(CALM, derandomize=False, max_examples=1_500)
@given(before=st.sampled_from([0, 3, 12]), seed=st.integers(0, 2**16), script=SCRIPTS)
def test_whatever_happens_many_more_times(kind: str, nodes: int, before: int, seed: int, script: list[Step]) -> None:
    anyio.run(play, kind, nodes, before, seed, script)
