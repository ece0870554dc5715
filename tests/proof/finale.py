"""The end of each play: everybody comes back, all is sent again until it is acknowledged, and all is compared."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import msgspec

from generalbots_api.client import Message
from tests.proof.reader import Reader
from tests.proof.shown import without_times
from tests.proof.talker import answer_to, pieces_of
from tests.proof.watcher import Watcher
from tests.proof.wire import Frame, request
from tests.proof.world import World


async def finish(world: World, reader: Reader) -> None:
    world.bus.work_again()
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
    await reader.reached(len(stored))
    check_reader(reader, stored)
    await end(world, reader, len(stored))
    assert await world.history(world.others, "bob") == []
    status, _ = await world.ask("GET", f"/api/conversations/{world.session}/history", user="bob")
    assert status == 403


async def end(world: World, reader: Reader, seq: int) -> None:
    """The session is deleted, and its user does not wait for the answer: everybody is told."""
    node = world.alive[0]
    wire = node.begun(request(node.gb, "DELETE", f"/api/session/{world.session}", "alice"))
    with anyio.CancelScope() as scope:
        world.tasks.start_soon(cancel_soon, world, scope)
        await wire.run()
    if scope.cancelled_caught and wire.status is None:  # before anything was done
        await world.ask("DELETE", f"/api/session/{world.session}")
    for watcher in world.watchers:
        while watcher.ended is None:
            await watcher.changed.wait()
        assert (watcher.ended["status"], watcher.ended["seq"]) == ("ended", seq + 1)
    await reader.over.wait()


async def cancel_soon(world: World, scope: anyio.CancelScope) -> None:
    for _ in range(world.random.randrange(40)):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


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
        if watcher.wire is not None and watcher.wire.is_gone:
            watcher.wire = None
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


def check_reader(reader: Reader, stored: list[Frame]) -> None:
    log = [msgspec.convert(message, Message) for message in stored]
    assert without_times(reader.shown.messages) == without_times(log)


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
