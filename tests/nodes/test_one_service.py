"""What is done on one node holds on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx2
import pytest

from generalbots_api.testing.contract import at_once
from tests.backends.redis.proxy import told
from tests.nodes.stage import Alice, Node, Shared, together
from tests.support.promises import close_code
from tests.support.puppet import Frame, Talk, talk

pytestmark = pytest.mark.anyio
ONE_BUS = pytest.mark.parametrize("shared", ["redis"], indirect=True)
OPENING = 3  # requests before the race: one opens a session, two are handshakes


@asynccontextmanager
async def sockets_on(a: Node, b: Node, alice: Alice) -> AsyncIterator[list[Talk]]:
    async with (
        talk(a.service, alice.token, alice.session) as on_a,
        talk(b.service, alice.token, alice.session) as on_b,
    ):
        yield [on_a, on_b]


async def answer_on(socket: Talk) -> Frame:
    """What a message is answered with."""
    while (frame := await socket.hear())["type"] not in ("ack", "error"):
        pass
    return frame


@ONE_BUS
async def test_a_login_on_a_is_good_on_b_by_token_and_by_cookie(shared: Shared) -> None:
    async with together(shared) as (a, b, alice):
        for client in (alice.a, alice.b):
            assert (await client.get("/auth/validate")).json()["valid"] is True
        cookies = (await a.service.log_in("alice")).cookies
        async with b.service.client(cookies=cookies) as browser:
            assert (await browser.get("/api/session")).status_code == 200


async def test_a_logout_on_a_closes_the_sockets_on_b(shared: Shared) -> None:
    """The clocks stand still: only the news of it can close them."""
    async with together(shared) as (a, b, alice):
        other = await a.service.token("alice")
        async with (
            talk(b.service, alice.token, alice.session) as one,
            talk(b.service, alice.token, alice.session) as two,
            talk(b.service, other, alice.session) as of_another_login,
        ):
            assert (await alice.a.post("/auth/logout")).status_code == 200
            assert [await close_code(each.socket) for each in (one, two)] == [4401, 4401]
            assert (await alice.b.get("/api/session")).status_code == 401
            assert (await of_another_login.subscribe())["recovered"] is True


@ONE_BUS
async def test_the_end_of_a_bot_session_on_a_is_told_on_b(shared: Shared) -> None:
    async with (
        together(shared) as (_, b, alice),
        talk(b.service, alice.token, alice.session) as on_b,
    ):
        await on_b.subscribe()
        assert (await alice.a.delete(f"/api/session/{alice.session}")).status_code == 200
        assert (await on_b.hear_until("session.updated"))[-1]["status"] == "ended"
        assert (await alice.post(alice.b, "Hello?")).status_code == 404


@ONE_BUS
async def test_one_budget_is_used_up_exactly_over_both_nodes_and_all_doors(shared: Shared) -> None:
    """Requests, and messages on sockets, all at once."""
    limit, calls = 40, 15
    shared.settings |= {"limit_user": limit, "queued_messages": 2 * calls}
    allowed: list[bool] = []
    async with together(shared) as (a, b, alice), sockets_on(a, b, alice) as sockets:

        async def request(client: httpx2.AsyncClient) -> None:
            allowed.append((await client.get("/api/session")).status_code == 200)

        async def send(socket: Talk) -> None:
            for number in range(calls):
                await socket.send("Hello", id=f"{id(socket)}.{number}")
                allowed.append((await answer_on(socket))["type"] == "ack")

        requests = [partial(request, client) for client in (alice.a, alice.b) * calls]
        await at_once(*requests, *(partial(send, socket) for socket in sockets))
        assert allowed.count(True) == limit - OPENING
        assert allowed.count(False) == 4 * calls - (limit - OPENING)
        assert [(await client.get("/health")).status_code for client in (alice.a, alice.b)] == [429, 429]


async def test_a_logout_is_felt_on_b_by_requests_at_once(shared: Shared) -> None:
    async with together(shared) as (_, _, alice):
        assert (await alice.b.get("/api/session")).status_code == 200
        await alice.a.post("/auth/logout")
        with anyio.fail_after(10):
            await told(partial(alice.b.get, "/api/session"), lambda answer: answer.status_code == 401)
