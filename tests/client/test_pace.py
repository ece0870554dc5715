"""However fast a program sends, the server's bound on frames is kept, and the order too."""

from __future__ import annotations

import json

import pytest

from generalbots_api.client.actions import Action, Transmit
from generalbots_api.client.machine import Machine, new_machine
from generalbots_api.client.reception import Reception
from generalbots_api.ws.flood import Flood


def sent(actions: list[Action]) -> list[dict[str, object]]:
    return [json.loads(action.text) for action in actions if isinstance(action, Transmit)]


def opened(now: float, per_second: int) -> Machine:
    machine = new_machine("s", after_seq=0)
    machine.opened(now)
    hello = {"type": "hello", "limits": {"frames_per_second": per_second}}
    Reception(machine).received(json.dumps(hello), now)
    return machine


@pytest.mark.parametrize("per_second", [1, 5, 20, 60])
def test_many_messages_at_once_keep_to_the_servers_bound(per_second: int) -> None:
    now, flood = 1000.0, Flood(per_second, 2 * per_second)
    machine = opened(now, per_second)
    contents = []
    for number in range(5 * per_second):
        for frame in sent(machine.send(f"c{number}", str(number), now, metadata=None, if_busy=None)):
            contents.append(frame["content"])
            assert flood.take(now)
    while len(contents) < 5 * per_second:
        now = max(now, machine.deadline)
        machine.heartbeat.heard(now)
        for frame in sent(machine.tick(now)):
            contents.append(frame["content"])
            assert flood.take(now)
    assert contents == [str(number) for number in range(5 * per_second)]
    assert now <= 1000 + 7


def test_one_after_the_other_they_go_at_once() -> None:
    machine = opened(1000.0, 20)
    for number in range(100):
        assert sent(machine.send(f"c{number}", "x", 1000.0 + number, metadata=None, if_busy=None))


def test_on_a_new_connection_what_waits_goes_in_order_and_as_slowly() -> None:
    machine = opened(1000.0, 5)
    for number in range(10):
        machine.send(f"c{number}", str(number), 1000.0, metadata=None, if_busy=None)
    machine.cut(1006, "", 1000.5)
    now = 1001.0
    frames = sent(machine.opened(now))
    while len(frames) < 11:
        now = max(now, machine.deadline)
        machine.heartbeat.heard(now)
        frames += sent(machine.tick(now))
    assert [frame.get("content") for frame in frames] == [None, *(str(number) for number in range(10))]
