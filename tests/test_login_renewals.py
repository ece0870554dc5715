"""The Directory's tokens of a login: renewed ahead of time, one at a time, on one node or several."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from generalbots_api.auth.model import Grant
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock
from generalbots_api.testing.contract import at_once
from tests.support.nodes import SILENT, nodes
from tests.support.promises import check_error, close_code, token_of
from tests.support.service import KEY, Service, new_dev, running_service
from tests.support.wire import Wire, hangs_up, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

TOKEN = "/oauth/v2/token"
ME = "/api/users/me"
AHEAD = 3_541  # seconds: an access token lives for 3,600 and is renewed a minute before


async def stored(service: Service) -> Grant:
    """Alice's tokens, as they are kept."""
    (login,) = await service.storage.logins.of_user(service.dev.user_id("alice"))  # type: ignore[arg-type] # a UserId
    vault = service.gb._services.vault
    assert vault is not None
    return vault.open(login.sealed_grant, login.id)


async def test_a_token_is_renewed_a_minute_before_it_expires(storage: Storage) -> None:
    async with nodes(storage, 1) as all:
        alice = all.client(0, await all.services[0].token("alice"))
        all.clock.advance(AHEAD - 2)
        assert (await alice.get(ME)).status_code == 200
        assert all.refreshes() == 0
        all.clock.advance(2)
        assert (await alice.get(ME)).status_code == 200
        assert (await alice.get(ME)).status_code == 200
        assert all.refreshes() == 1


async def test_a_token_that_lives_for_a_minute_is_not_renewed_at_each_call(storage: Storage) -> None:
    def short(answer: httpx2.Response) -> dict[str, Any]:
        return {**answer.json(), "expires_in": 60}

    async with nodes(storage, 1) as all:
        all.wires[0].changes[TOKEN] = short
        alice = all.client(0, await all.services[0].token("alice"))
        for seconds, refreshes in ((0, 0), (53, 0), (1, 1), (53, 1), (1, 2)):
            all.clock.advance(seconds)
            assert (await alice.get(ME)).status_code == 200
            assert all.refreshes() == refreshes


async def test_the_new_tokens_are_stored_before_the_access_token_is_used(storage: Storage) -> None:
    async with nodes(storage, 1) as all:
        service, wire = all.services[0], all.wires[0]
        alice, before = all.client(0, await service.token("alice")), await stored(all.services[0])
        all.clock.advance(AHEAD)
        is_used, go_on = wire.hold("/GetUserByID")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alice.get, ME)
            await is_used.wait()
            during = await stored(service)
            go_on.set()
    assert during.refresh_token != before.refresh_token
    assert during.access_token != before.access_token


async def test_of_many_calls_at_once_one_renews_on_each_of_several_nodes(storage: Storage) -> None:
    async with nodes(storage, 3) as all:
        token = await all.services[0].token("alice")
        clients = [all.client(number % 3, token) for number in range(24)]
        all.clock.advance(AHEAD)
        answers = await at_once(*(partial(client.get, ME) for client in clients))
        assert {answer.status_code for answer in answers} == {200}
        assert all.refreshes() == 1
        assert (await clients[0].get(ME)).status_code == 200


async def test_of_two_that_have_the_file_open_each_for_itself_one_renews(tmp_path: Path) -> None:
    clock, wires = ManualClock(), [Wire(), Wire()]
    dev = new_dev(clock)
    async with AsyncExitStack() as stack:
        services = [
            await stack.enter_async_context(
                running_service(
                    storage=SqliteStorage(tmp_path / "one.db"), clock=clock, dev=dev, wire=wire, settings=SILENT
                )
            )
            for wire in wires
        ]
        headers = {"Authorization": f"Bearer {await services[0].token('alice')}"}
        clock.advance(AHEAD)
        answers = await at_once(*(partial(service.client(headers=headers).get, ME) for service in services * 5))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(wire.count(TOKEN, grant_type="refresh_token") for wire in wires) == 1


async def test_another_node_waits_for_the_one_that_renews(storage: Storage) -> None:
    async with nodes(storage, 2) as all:
        token = await all.services[0].token("alice")
        all.clock.advance(AHEAD)
        is_asked, go_on = all.wires[0].hold(TOKEN)
        looks, answers = anyio.Event(), []
        renewals = all.services[1].gb._services.grants.renewals

        async def look_again(seconds: float) -> None:
            looks.set()
            await anyio.sleep(0.001)

        renewals.wait = look_again

        async def ask(node: int) -> None:
            answers.append((await all.client(node, token).get(ME)).status_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, 0)
            await is_asked.wait()
            tasks.start_soon(ask, 1)
            await looks.wait()
            go_on.set()
        assert answers == [200, 200]
        assert all.refreshes() == 1


async def test_a_node_that_does_not_come_to_an_end_costs_the_other_s_call_but_not_the_session(
    storage: Storage,
) -> None:
    async with nodes(storage, 2) as all:
        token = await all.services[0].token("alice")
        all.clock.advance(AHEAD)
        is_asked, go_on = all.wires[0].hold(TOKEN)
        waits: list[float] = []

        async def look_again(seconds: float) -> None:
            waits.append(seconds)
            await anyio.lowlevel.checkpoint()

        all.services[1].gb._services.grants.renewals.wait = look_again
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(all.client(0, token).get, ME)
            await is_asked.wait()
            check_error(await all.client(1, token).get(ME), 503, "SERVER_ERROR")
            assert (await all.client(1, token).get("/api/session")).status_code == 200
            go_on.set()
        assert 5 < sum(waits) < 10
        assert (await all.client(1, token).get(ME)).status_code == 200
        assert all.refreshes() == 1


async def test_the_lease_of_a_node_that_is_gone_runs_out(storage: Storage) -> None:
    async with nodes(storage, 1) as all:
        alice = all.client(0, await all.services[0].token("alice"))
        id = (await alice.get("/api/session")).json()["session_id"]
        all.clock.advance(AHEAD)
        now = all.clock.now()
        assert await storage.leases.take(f"refresh:{id}", "gone", now, now + timedelta(seconds=30))

        async def later(seconds: float) -> None:
            all.clock.advance(10 * seconds)

        all.services[0].gb._services.grants.renewals.wait = later
        assert (await alice.get(ME)).status_code == 200
        assert await storage.leases.held("refresh:") == {}


async def test_a_refusal_of_the_refresh_token_ends_the_session_and_closes_its_sockets(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        wire.answers[TOKEN] = status(400, error="invalid_grant")
        async with service.socket(token_of(alice)) as socket:
            check_error(await alice.get(ME), 401, "UNAUTHORIZED")
            assert await close_code(socket) == 4401
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


TROUBLE = {
    "500": status(500),
    "503": status(503, error="temporarily_unavailable"),
    "refused": hangs_up,
    "our client is not known": status(401, error="invalid_client"),
    "busy": status(429),
}


@pytest.mark.parametrize("trouble", list(TROUBLE))
async def test_trouble_of_the_directory_costs_the_call_and_keeps_the_session(storage: Storage, trouble: str) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        wire.answers[TOKEN] = TROUBLE[trouble]
        answer = await alice.get(ME)
        check_error(answer, 503, "SERVER_ERROR")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await alice.get("/api/session")).status_code == 200
        wire.answers.clear()
        assert (await alice.get(ME)).status_code == 200


async def test_who_waits_for_a_renewal_that_fails_shares_the_failure(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        wire.answers[TOKEN] = status(503)
        is_asked, go_on = wire.hold(TOKEN)
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await alice.get(ME)).status_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await is_asked.wait()
            for _ in range(20):
                tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        assert answers == [503] * 21
        assert wire.count(TOKEN, grant_type="refresh_token") == 1


async def test_a_client_that_hangs_up_does_not_cost_the_new_tokens(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice, before = await service.bearer("alice"), await stored(service)
        service.clock.advance(AHEAD)
        is_asked, go_on = wire.hold(TOKEN)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alice.get, ME)
            await is_asked.wait()
            tasks.cancel_scope.cancel()
            go_on.set()
        assert (await stored(service)).refresh_token != before.refresh_token
        assert (await alice.get(ME)).status_code == 200


async def test_tokens_that_come_for_a_session_that_has_ended_meanwhile_are_taken_back(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice = await service.bearer("alice")
        service.clock.advance(AHEAD)
        new: list[httpx2.Response] = []
        is_asked, go_on = wire.hold(TOKEN)
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                new.append(await alice.get(ME))

            tasks.start_soon(ask)
            await is_asked.wait()
            assert (await alice.post("/auth/logout")).status_code == 200
            # a provider that does not end the family with its older token
            service.dev._state.lapses._ended.clear()
            go_on.set()
        check_error(new[0], 401, "UNAUTHORIZED")
        before = wire.count("/revoke")
        revocations = service.gb._services.revocations
        assert revocations is not None
        while await revocations.try_next():
            pass
        assert wire.count("/revoke") == before + 2


async def test_a_provider_that_leaves_out_the_new_refresh_token_means_the_old_one(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, settings=SILENT) as service:
        alice, before = await service.bearer("alice"), await stored(service)
        service.clock.advance(AHEAD)
        short = before.access_token.reveal()  # still good for a minute
        wire.answers[TOKEN] = status(200, access_token=short, token_type="Bearer", expires_in=30)
        assert (await alice.get(ME)).status_code == 200
        assert (await stored(service)).refresh_token == before.refresh_token


async def test_a_node_whose_lease_ran_out_takes_what_the_other_has_got(storage: Storage) -> None:
    async with nodes(storage, 2) as all:
        token = await all.services[0].token("alice")
        all.clock.advance(AHEAD)
        answers: list[int] = []
        is_asked, go_on = all.wires[0].hold(TOKEN)
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                answers.append((await all.client(0, token).get(ME)).status_code)

            tasks.start_soon(ask)
            await is_asked.wait()
            all.clock.advance(31)
            assert (await all.client(1, token).get(ME)).status_code == 200
            all.wires[0].answers[TOKEN] = status(400, error="invalid_grant")  # the old one, by now
            go_on.set()
        assert answers == [200]


async def test_keys_are_rotated_by_adding_the_new_one_and_taking_out_the_old_one_when_its_sessions_are_over(
    storage: Storage,
) -> None:
    new = "the newer key of the tests, 32 bytes or more"
    async with running_service(storage=storage, settings=SILENT) as service:
        token, clock, dev = await service.token("alice"), service.clock, service.dev
    statuses = []
    for keys, seconds in (([KEY, new], 0), ([KEY, new], AHEAD), ([new], 0), ([KEY], 0)):
        clock.advance(seconds)
        settings = {**SILENT, "secret_keys": keys}
        async with running_service(storage=storage, settings=settings, clock=clock, dev=dev) as service:
            alice = service.client(headers={"Authorization": f"Bearer {token}"})
            statuses.append([(await alice.get(path)).status_code for path in (ME, "/api/session")])
    assert statuses == [[200, 200], [200, 200], [200, 200], [401, 401]]
