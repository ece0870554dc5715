"""Nodes on one storage, people at several doors of one conversation, and whatever befalls them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from starlette.requests import HTTPConnection

from generalbots_api import Caller, GeneralBots, Settings
from generalbots_api.ids import UserId
from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock
from tests.proof.faults import Gate, LossyBus, Mortal, Reciter
from tests.proof.watcher import Watcher
from tests.proof.wire import Frame, Wire, request, socket
from tests.support.service import KEY

BIG = 1_000_000
SETTINGS: dict[str, Any] = {
    **{"limit_user": BIG, "limit_anonymous": BIG, "frames_per_second": BIG, "frame_burst": BIG},
    **{"sockets_per_user": 1_000, "socket_queue_frames": 8, "socket_queue_bytes": 6_000},
}
LEASE_OVER = 60  # seconds, on the clock of the test


async def who(connection: HTTPConnection) -> Caller | None:
    name = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return Caller(user_id=UserId(name)) if name else None


@dataclass
class Node:
    gb: GeneralBots
    storage: Mortal
    lifespan: AbstractAsyncContextManager[None]
    wires: list[Wire] = field(default_factory=list)

    def begun(self, wire: Wire) -> Wire:
        """A connection to this node."""
        wire.may_fail = lambda: self.storage.is_dead
        self.wires.append(wire)
        return wire


@dataclass
class World:
    """`sent` are contents by the client's own id, `acks` what was acknowledged of them."""

    storage: Storage
    tasks: TaskGroup
    random: Random
    gate: Gate = field(default_factory=Gate)
    bus: LossyBus = field(default_factory=LossyBus)
    clock: ManualClock = field(default_factory=ManualClock)
    nodes: list[Node | None] = field(default_factory=list)
    session: str = ""
    others: str = ""  # the session of another user
    watchers: list[Watcher] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    acks: dict[str, Frame] = field(default_factory=dict)

    # Nodes

    async def start(self, place: int) -> None:
        mortal = Mortal(self.storage, self.random)
        gb = GeneralBots(
            Settings(secret_keys=[KEY], **SETTINGS),
            storage=mortal,
            bots=[Reciter(self.gate)],
            bus=self.bus,
            authenticate=who,
            clock=self.clock,
        )
        lifespan = gb.lifespan()
        await lifespan.__aenter__()
        self.nodes[place] = Node(gb, mortal, lifespan)

    async def stop(self, place: int, *, dies: bool) -> None:
        """`dies`: it does nothing more to the storage, and others find out when its lease is over."""
        node, self.nodes[place] = self.nodes[place], None
        assert node is not None
        node.storage.is_dead = dies
        if dies:
            self.not_exact()
        for wire in node.wires:
            wire.cut(loses=dies)
        await node.lifespan.__aexit__(None, None, None)

    def not_exact(self) -> None:
        """From now on pieces of replies may be missing; whole messages may not."""
        for watcher in self.watchers:
            watcher.is_exact = False

    async def find_the_dead(self) -> None:
        self.clock.advance(LEASE_OVER)
        for node in self.alive:  # first, so that nobody alive is taken for dead, as the time has jumped
            await node.gb._services.chat.nodes._show()
        for node in self.alive:
            await node.gb._services.chat.nodes.beat()

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node is not None]

    # Doors

    async def ask(self, method: str, path: str, body: object = None, user: str = "alice", **headers: str) -> Any:
        """What a living node answers: the status, and the body."""
        node = self.alive[0]
        wire = request(node.gb, method, path, user, body, **headers)
        node.begun(wire)
        await wire.run()
        node.wires.remove(wire)
        return wire.status, "".join(wire.down)

    async def send(self, door: str, id: str, if_busy: str, node: Node) -> None:
        """By a request; what comes of it is noted."""
        body = {"content": self.sent[id], "id": id, "if_busy": if_busy}
        path = f"/api/conversations/{self.session}/messages"
        if door == "batch":
            operations = [{"id": "1", "method": "POST", "path": path, "body": body}]
            wire = request(node.gb, "POST", "/api/batch", "alice", {"operations": operations})
        elif door == "sse":
            wire = request(node.gb, "POST", path, "alice", body, accept="text/event-stream")
        else:
            wire = request(node.gb, "POST", path, "alice", body, Idempotency_Key=id)
        node.begun(wire)
        with anyio.CancelScope() as scope:
            wire.scope["test.cancel"] = scope
            await wire.run()
        if wire in node.wires:
            node.wires.remove(wire)
        if not scope.cancelled_caught and not wire.is_cut:
            self._note_answer(door, id, wire)

    def _note_answer(self, door: str, id: str, wire: Wire) -> None:
        text = "".join(wire.down)
        status, answer = wire.status, text
        if door == "batch" and status == 200:
            result = json.loads(text)["results"][0]
            status, answer = result["status"], json.dumps(result["body"])
        if status in (200, 202):
            ack = json.loads(answer.partition("data: ")[2].partition("\n")[0] if door == "sse" else answer)
            self.note_ack({**ack, "id": id})
        else:
            assert status in (409, 500, 503), (status, text)

    def note_ack(self, ack: Frame) -> None:
        first = self.acks.setdefault(ack["id"], ack)
        for name in ("message_id", "seq", "reply_id"):
            assert first[name] == ack[name], "the first answer again"

    async def history(self, session: str, user: str = "alice") -> list[Frame]:
        messages: list[Frame] = []
        while True:
            path = f"/api/conversations/{session}/history?limit=100&after={len(messages)}"
            status, text = await self.ask("GET", path, user=user)
            assert status == 200, text
            page = json.loads(text)
            messages += page["messages"]
            if not page["has_more"]:
                return messages

    async def connect(self, watcher: Watcher, node: Node, after: int | None) -> None:
        """Begin to follow, from there."""
        if watcher.is_stream:
            place = {} if after is None or watcher.epoch is None else {"Last_Event_ID": f"{watcher.epoch}:{after}"}
            watcher.asked = {"s-0": after if place else None}
            wire = request(node.gb, "GET", f"/api/conversations/{watcher.session}/events", "alice", **place)
            wire.capacity = 4
        else:
            wire = socket(node.gb, "alice", capacity=4, is_harsh=self.random.random() < 0.5)
        watcher.wire = wire
        node.begun(wire)
        self.tasks.start_soon(wire.run)
        if not watcher.is_stream:
            wire.say(watcher.subscription(after))
        self.tasks.start_soon(watcher.listen, wire)


@asynccontextmanager
async def world(storage: Storage, seed: int, *, nodes: int, watchers: int = 2) -> AsyncIterator[World]:
    random = Random(seed)  # noqa: S311 # how long things take
    async with storage, anyio.create_task_group() as tasks:
        one = World(storage, tasks, random, nodes=[None] * nodes)
        for place in range(nodes):
            await one.start(place)
        for user in ("alice", "bob"):
            status, text = await one.ask("POST", "/api/session/create", {"bot_id": "reciter"}, user)
            assert status == 201, text
            one.session, one.others = one.others, json.loads(text)["session_id"]
        one.watchers = [Watcher(one.session, is_stream=place == watchers) for place in range(watchers + 1)]
        try:
            yield one
        finally:
            one.gate.open()
            for place, node in enumerate(one.nodes):
                if node is not None:
                    await one.stop(place, dies=False)
            tasks.cancel_scope.cancel()
