"""How many calls go out at once, how many wait for their turn, and what becomes of the others."""

from __future__ import annotations

import anyio
import httpx2
import pytest

from generalbots_api.backends.oidc.breaker import CircuitOpen
from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing
from generalbots_api.backends.oidc.slots import Busy, Slots
from generalbots_api.errors import Unavailable
from tests.backends.oidc_stage import Answers, AtOnce, ok

pytestmark = pytest.mark.anyio

URL = "https://op.example/x"
FOR_EVER = 3_600.0


class Crowd:
    """Many callers of one way out, to a service that hangs until the gate opens."""

    def __init__(self, slots: Slots) -> None:
        self.far = Answers(ok())
        self.far.gate = self.gate = anyio.Event()
        self.transport = BoundedTransport(self.far, slots=slots, timeout=FOR_EVER)
        self.outcomes: list[int | type[Exception]] = []

    @property
    def sent(self) -> int:
        return len(self.far.requests)

    async def call(self) -> None:
        try:
            answer = await Outgoing(self.transport, AtOnce()).get(URL)
            self.outcomes.append(answer.status_code)
        except Unavailable as error:
            self.outcomes.append(type(error))


async def test_as_many_as_may_go_out_others_wait_and_the_rest_is_refused_at_once() -> None:
    crowd = Crowd(Slots(wait_timeout=FOR_EVER))
    async with anyio.create_task_group() as tasks:
        for _ in range(205):
            tasks.start_soon(crowd.call)
        await anyio.wait_all_tasks_blocked()
        assert (crowd.sent, crowd.outcomes) == (50, [Busy] * 5)
        crowd.gate.set()
    assert crowd.sent == 200
    assert sorted(map(str, crowd.outcomes)) == sorted(map(str, [Busy] * 5 + [200] * 200))


async def test_who_waits_too_long_is_refused_without_a_call() -> None:
    slots = Slots(calls=1, waiting=10, wait_timeout=FOR_EVER)
    crowd = Crowd(slots)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(crowd.call)
        await anyio.wait_all_tasks_blocked()
        slots.wait_timeout = 0.001  # not before: on a busy machine the first would wait too long itself
        with pytest.raises(Busy) as caught:
            await Outgoing(crowd.transport, AtOnce()).get(URL)
        crowd.gate.set()
    assert (crowd.sent, crowd.outcomes, caught.value.retry_after) == (1, [200], 2)


async def test_callers_that_give_up_leave_their_place() -> None:
    crowd = Crowd(Slots(calls=2, waiting=2, wait_timeout=FOR_EVER))
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(crowd.call)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    crowd.gate.set()
    await crowd.call()
    assert crowd.outcomes == [200]


async def test_a_failure_gives_its_place_back() -> None:
    crowd = Crowd(Slots(calls=1, waiting=0))
    crowd.gate.set()
    crowd.far.answers = [httpx2.ConnectError("refused"), ok()]
    await crowd.call()
    await crowd.call()
    assert crowd.outcomes == [200, 200]


async def test_who_waits_while_the_circuit_opens_is_refused_without_a_call() -> None:
    crowd = Crowd(Slots(calls=5, waiting=50, wait_timeout=FOR_EVER))
    crowd.far.answers = [httpx2.ReadTimeout("slow")]
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(crowd.call)
        await anyio.wait_all_tasks_blocked()
        crowd.gate.set()
    assert (crowd.sent, crowd.outcomes) == (5, [CircuitOpen] * 30)
