"""The circuit breaker in the way out: what opens it, what it does while it is open, what closes it."""

from __future__ import annotations

from contextlib import suppress

import anyio
import httpx2
import pytest

from generalbots_api.backends.oidc.breaker import CircuitOpen
from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing, new_client
from generalbots_api.errors import BadGateway, Unavailable
from generalbots_api.testing import ManualClock
from tests.backends.oidc_forge import ISSUER, TinyOp
from tests.backends.oidc_stage import Answers, AtOnce, ok

pytestmark = pytest.mark.anyio

URL = "https://op.example/x"
DISCOVERY = "/.well-known/openid-configuration"
Trouble = httpx2.Response | Exception
DOWN: list[Trouble] = [httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow"), httpx2.Response(500)]


class Stage:
    """A service that answers as it is told, and the way out to it."""

    def __init__(self, answer: Trouble) -> None:
        self.clock = ManualClock()
        self.far = Answers(answer)
        self.transport = BoundedTransport(self.far, clock=self.clock)

    @property
    def sent(self) -> int:
        return len(self.far.requests)

    def now_answers(self, answer: Trouble) -> None:
        self.far.answers = [answer]

    async def post(self, times: int = 1) -> None:
        """Calls that are not tried again, whatever comes of them."""
        for _ in range(times):
            with suppress(Unavailable, BadGateway):
                await Outgoing(self.transport, AtOnce()).call("POST", URL, body={})

    async def is_open(self) -> bool:
        """Whether a call is refused without being sent."""
        before = self.sent
        with pytest.raises(CircuitOpen):
            await Outgoing(self.transport, AtOnce()).call("POST", URL, body={})
        return self.sent == before


@pytest.mark.parametrize("trouble", DOWN, ids=str)
async def test_five_failures_in_thirty_seconds_open_it_and_nothing_goes_out(trouble: Trouble) -> None:
    stage = Stage(trouble)
    await stage.post(4)
    stage.clock.advance(30)
    await stage.post()
    assert stage.sent == 5
    assert await stage.is_open()


async def test_failures_that_lie_further_apart_do_not_open_it() -> None:
    stage = Stage(httpx2.ConnectError("refused"))
    for _ in range(12):
        await stage.post()
        stage.clock.advance(7.6)
    assert stage.sent == 12


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 429, 501])
async def test_what_answers_is_not_down(status: int) -> None:
    stage = Stage(httpx2.Response(status))
    await stage.post(20)
    assert stage.sent == 20


async def test_an_answer_that_is_too_long_is_an_answer() -> None:
    stage = Stage(httpx2.Response(200, content=b"x" * 1_048_577))
    await stage.post(20)
    assert stage.sent == 20


async def test_while_it_is_open_a_caller_is_told_when_to_come_back() -> None:
    stage = Stage(httpx2.Response(503))
    await stage.post(5)
    told = []
    for seconds in (0, 0.5, 6.5, 2.9):
        stage.clock.advance(seconds)
        with pytest.raises(Unavailable) as caught:
            await Outgoing(stage.transport).get(URL)
        told.append(caught.value.retry_after)
    assert told == [10, 10, 3, 1]
    assert stage.sent == 5


async def test_after_ten_seconds_one_call_tries_and_closes_it_if_it_is_answered() -> None:
    stage = Stage(httpx2.Response(503))
    await stage.post(5)
    stage.clock.advance(10)
    stage.now_answers(ok())
    await stage.post(3)
    assert stage.sent == 8
    stage.now_answers(httpx2.Response(503))
    await stage.post(4)  # what failed before counts no more
    assert stage.sent == 12
    stage.now_answers(ok())
    await stage.post()
    assert stage.sent == 13


async def test_a_try_that_fails_opens_it_for_ten_seconds_more() -> None:
    stage = Stage(httpx2.Response(503))
    await stage.post(5)
    for _ in range(3):
        stage.clock.advance(10)
        await stage.post()
        assert await stage.is_open()
        stage.clock.advance(9)
        assert await stage.is_open()
        stage.clock.advance(1)
        await stage.post()
    assert stage.sent == 5 + 2 * 3


async def test_only_one_call_tries_and_the_others_are_refused_meanwhile() -> None:
    stage = Stage(httpx2.Response(503))
    await stage.post(5)
    stage.clock.advance(10)
    stage.far.gate = anyio.Event()
    stage.now_answers(ok())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.post)
        await anyio.wait_all_tasks_blocked()
        assert await stage.is_open()
        stage.clock.advance(60)
        assert await stage.is_open()
        stage.far.gate.set()
    await stage.post(2)
    assert stage.sent == 8


async def test_a_try_that_its_caller_gives_up_leaves_the_next_call_to_try() -> None:
    stage = Stage(httpx2.Response(503))
    await stage.post(5)
    stage.clock.advance(10)
    stage.far.gate = anyio.Event()
    stage.now_answers(ok())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.post)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    stage.far.gate = None
    await stage.post(2)
    assert stage.sent == 8


async def test_calls_that_their_callers_give_up_do_not_open_it() -> None:
    stage = Stage(ok())
    stage.far.gate = anyio.Event()
    for _ in range(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.post)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    stage.far.gate = None
    await stage.post()
    assert stage.sent == 21


async def test_an_answer_to_a_call_from_before_it_opened_does_not_close_it() -> None:
    stage = Stage(ok())
    stage.far.gate = gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.post)
        await anyio.wait_all_tasks_blocked()
        stage.far.gate = None
        stage.now_answers(httpx2.Response(503))
        await stage.post(5)
        stage.now_answers(ok())
        gate.set()
    assert await stage.is_open()


async def test_a_call_that_hangs_until_its_time_is_over_is_a_failure() -> None:
    for is_read in (False, True):
        stage = Stage(ok())
        stage.far.gate = anyio.Event()
        stage.transport.timeout = 0.001
        for _ in range(5):
            with pytest.raises(Unavailable):
                await Outgoing(stage.transport, AtOnce()).call("POST", URL, is_read=is_read)
        assert await stage.is_open()


async def test_a_read_is_not_tried_again_once_it_is_open() -> None:
    stage, pauses = Stage(httpx2.Response(503)), AtOnce()
    await stage.post(4)
    with pytest.raises(CircuitOpen):
        await Outgoing(stage.transport, pauses).get(URL)
    assert stage.sent == 5


async def test_calls_of_authlib_pass_it_too() -> None:
    stage = Stage(httpx2.ConnectError("refused"))
    async with new_client(stage.transport) as client:
        for _ in range(5):
            with pytest.raises(Unavailable):
                await client.post(URL)
        with pytest.raises(CircuitOpen):
            await client.post(URL)
    assert stage.sent == 5


async def test_nobody_is_sent_to_log_in_while_it_is_open_though_the_metadata_is_fresh() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        op.bent["/token"] = httpx2.ConnectError("refused")
        for _ in range(5):
            with pytest.raises(Unavailable):
                await directory.refresh(grant, op.clock.now())
        assert directory.circuit_open_for == 10
        op.clock.advance(4)
        with pytest.raises(Unavailable) as caught:
            await directory.authorization_url(op.pending(), "state")
        assert (caught.value.retry_after, op.calls[DISCOVERY]) == (6, 1)
        op.clock.advance(6)
        assert directory.circuit_open_for is None
        await directory.authorization_url(op.pending(), "state")  # asks, and is answered
        assert op.calls[DISCOVERY] == 2
        await directory.authorization_url(op.pending(), "state")
        assert op.calls[DISCOVERY] == 2


WRONG: list[Trouble] = [
    httpx2.ConnectError("refused"),
    httpx2.Response(500),
    httpx2.Response(200, html="<h1>hello</h1>"),
    httpx2.Response(200, content=b"x" * 1_048_577),
]


@pytest.mark.parametrize("trouble", WRONG, ids=["refuses", "500", "HTML", "oversized"])
async def test_after_any_call_that_went_wrong_a_login_asks_first_whether_anyone_is_there(trouble: Trouble) -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        op.bent = {"/token": trouble, DISCOVERY: trouble}
        with pytest.raises((Unavailable, BadGateway)):
            await directory.refresh(grant, op.clock.now())
        for _ in range(2):
            with pytest.raises(Unavailable):
                await directory.authorization_url(op.pending(), "state")
        op.bent = {}
        op.clock.advance(10)
        assert (await directory.authorization_url(op.pending(), "state")).startswith(ISSUER)


async def test_a_renewal_that_the_open_circuit_refused_is_made_as_soon_as_it_is_closed() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        op.clock.advance(3_595)
        op.bent = {"/token": httpx2.Response(503)}
        for _ in range(5):
            with pytest.raises(Unavailable):
                await directory.refresh(grant, op.clock.now())
        op.clock.advance(7)  # the metadata has become old
        with pytest.raises(Unavailable):
            await directory.refresh(grant, op.clock.now())
        await anyio.wait_all_tasks_blocked()
        assert op.calls[DISCOVERY] == 1
        op.clock.advance(3)
        assert (await directory.authorization_url(op.pending(), "state")).startswith(ISSUER)
        assert op.calls[DISCOVERY] == 2
