"""The end of each play: everybody comes back, all is sent again until it is acknowledged, and all is compared."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from tests.proof.talker import answer_to, pieces_of
from tests.proof.watcher import Watcher
from tests.proof.wire import Frame
from tests.proof.world import World


async def finish(world: World) -> None:
    world.bus.losing = 0
    world.gate.open()
    note_acks(world)
    await send_what_is_open(world)
    await world.find_the_dead()
    stored = await answered(world)
    await come_back(world, len(stored))
    stored = await world.history(world.session)
    check_log(stored)
    check_sends(world, stored)
    for watcher in world.watchers:
        check_watcher(watcher, stored)
    assert await world.history(world.others, "bob") == []
    status, _ = await world.ask("GET", f"/api/conversations/{world.session}/history", user="bob")
    assert status == 403


def note_acks(world: World) -> None:
    for watcher in world.watchers:
        for ack in watcher.acks:
            world.note_ack(ack)


async def send_what_is_open(world: World) -> None:
    for id in world.sent:
        while id not in world.acks:
            await world.send("rest", id, "queue", world.alive[0])
            if id not in world.acks:  # too many wait: those of a dead node, maybe
                await world.find_the_dead()


async def answered(world: World) -> list[Frame]:
    """The log, when every message in it has its reply."""
    while True:
        stored = await world.history(world.session)
        asked = {message["message_id"] for message in stored if message["sender"] == "user"}
        replied = {message["in_reply_to"] for message in stored if message["sender"] == "bot"}
        if asked == replied:
            return stored
        await anyio.sleep(0.001)
        await world.find_the_dead()


async def come_back(world: World, seq: int) -> None:
    """Everybody follows again, to the end."""
    for place, watcher in enumerate(world.watchers):
        watcher.is_paused = False
        watcher.tell()
        while watcher.wire is None or watcher.seq is None or watcher.seq < seq:
            if watcher.wire is None:
                node = world.alive[place % len(world.alive)]
                await world.connect(watcher, node, watcher.seq or 0)
            await watcher.changed.wait()


def check_log(stored: list[Frame]) -> None:
    """See `shown.check_log`."""
    assert [message["seq"] for message in stored] == list(range(1, len(stored) + 1))
    by_question: dict[str, Frame] = {}
    for message in stored:
        if message["sender"] == "bot":
            assert message["in_reply_to"] not in by_question, "one reply each"
            by_question[message["in_reply_to"]] = message
    for message in stored:
        if message["sender"] == "user":
            reply, whole = by_question[message["message_id"]], answer_to(message["content"])
            assert reply["message_id"] == message["reply_id"]
            assert reply["seq"] > message["seq"]
            if reply["status"] == "completed" or (reply["status"] == "failed" and reply["content"]):
                assert reply["content"] == whole
            assert whole.startswith(reply["content"])
            assert reply["status"] != "completed" or "fail" not in message["content"]


def check_sends(world: World, stored: list[Frame]) -> None:
    asked = {message["id"]: message for message in stored if message["sender"] == "user"}
    assert len(asked) == sum(message["sender"] == "user" for message in stored), "each once"
    assert set(asked) == set(world.sent) == set(world.acks), "all that was sent is stored and acknowledged in the end"
    for id, ack in world.acks.items():
        for name in ("message_id", "seq", "reply_id"):
            assert asked[id][name] == ack[name]
        assert asked[id]["content"] == world.sent[id]


def check_watcher(watcher: Watcher, stored: list[Frame]) -> None:
    """What it saw is what is stored."""
    questions = {message["reply_id"]: message for message in stored if message["sender"] == "user"}
    for seq, frame in watcher.seen.items():
        message = stored[seq - 1]
        assert frame["message_id"] == message["message_id"]
        assert frame["type"] == "ack" or frame == {"type": "message", **message}
    for reply, index, text in watcher.texts:
        assert text == "".join(pieces_of(questions[reply]["content"])[: index + 1])
    for error in watcher.errors:
        assert error["error"]["code"] in ("CONFLICT", "SERVER_ERROR"), error
