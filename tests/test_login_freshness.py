"""How old roles, groups and "is active" may be, and how soon a change is felt, on each storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from httpx2 import AsyncClient as Client

from generalbots_api import BotAccess, BotInfo, EchoBot
from generalbots_api.backends.memory import MemoryBus
from generalbots_api.storage import Storage
from tests.support.nodes import nodes
from tests.support.promises import check_error, close_code, hear, opened, say, token_of
from tests.support.service import Service, running_service
from tests.support.wire import Wire, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

STAFF = "300000000000000001"
READS = ("/ListGroups", "/ListGroupUsers")
STATUS = "/api/admin/system/status"


class LaggingWire(Wire):
    """While it is `late`, lists of groups and members are as they were when they were first asked for."""

    is_late = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        key = request.url.path, await request.aread()
        if not request.url.path.endswith(READS):
            return await super().handle_async_request(request)
        if self.is_late and key in self.old:
            return httpx2.Response(200, content=self.old[key], request=request)
        answer = await super().handle_async_request(request)
        self.old.setdefault(key, await answer.aread())
        return httpx2.Response(answer.status_code, content=self.old[key] if self.is_late else answer.content)

    def __init__(self) -> None:
        super().__init__()
        self.old: dict[tuple[str, bytes], bytes] = {}


def bots() -> list[EchoBot]:
    """Three for the group, which is named by its name and by its id, and one for everybody."""
    return [
        EchoBot(BotInfo("by-name", "By name", "", BotAccess(groups=frozenset({"staff"})))),
        EchoBot(BotInfo("by-id", "By id", "", BotAccess(groups=frozenset({STAFF})))),
        EchoBot(),
    ]


@asynccontextmanager
async def lagging(storage: Storage) -> AsyncIterator[tuple[Service, LaggingWire]]:
    wire = LaggingWire()
    async with running_service(storage=storage, wire=wire, bots=bots()) as service:
        yield service, wire


async def change(admin: Client, service: Service, what: str, who: str) -> None:
    method, path = {"add": ("POST", "members/add"), "remove": ("DELETE", "members/remove")}[what]
    body = {"user_id": service.dev.user_id(who)}
    answer = await admin.request(method, f"/api/groups/{STAFF}/{path}", json=body)
    assert answer.json()["results"][0]["status"] in ("added", "removed"), answer.text


async def usable(client: Client) -> set[str]:
    return {one["id"] for one in (await client.get("/api/bots")).json()["bots"]} - {"echo"}


@pytest.mark.parametrize("bot", ["by-name", "by-id"])
async def test_a_bot_that_is_lost_by_a_change_of_groups_is_lost_at_the_next_message(storage: Storage, bot: str) -> None:
    async with lagging(storage) as (service, wire):
        alice, admin = await service.bearer("alice"), await service.bearer("admin")
        session = await opened(alice, bot)
        async with service.socket(token_of(alice)) as socket:
            await say(socket, {"type": "message", "content": "Hello", "session_id": session})
            assert (await hear(socket))["content"] == "Hello"
            wire.is_late = True  # reads lag behind writes
            await change(admin, service, "remove", "alice")
            await say(socket, {"type": "message", "content": "Hello", "session_id": session})
            answer = await hear(socket)
            assert (answer["type"], answer["error"]["code"]) == ("error", "FORBIDDEN")
        assert await usable(alice) == set()


async def test_a_directory_that_lags_does_not_give_it_back(storage: Storage) -> None:
    async with lagging(storage) as (service, wire):
        alice, admin = await service.bearer("alice"), await service.bearer("admin")
        wire.is_late = True
        service.clock.advance(290)
        await change(admin, service, "remove", "alice")
        service.clock.advance(30)  # the roles are read again, and the groups with them
        assert await usable(alice) == set()
        wire.is_late = False
        service.clock.advance(600)
        assert await usable(alice) == set()


async def test_what_the_directory_says_counts_again_when_it_has_settled(storage: Storage) -> None:
    async with lagging(storage) as (service, _):
        alice, admin = await service.bearer("alice"), await service.bearer("admin")
        await change(admin, service, "remove", "alice")
        service.dev._state.people.groups[STAFF].members[service.dev.user_id("alice")] = 0  # put back at the directory
        assert await usable(alice) == set()
        service.clock.advance(301)
        assert await usable(alice) == {"by-name", "by-id"}


async def test_a_bot_that_is_gained_by_a_change_of_groups_is_there_at_once(storage: Storage) -> None:
    async with lagging(storage) as (service, wire):
        bob, admin = await service.bearer("bob"), await service.bearer("admin")
        assert await usable(bob) == set()
        wire.is_late = True
        await change(admin, service, "add", "bob")
        assert await usable(bob) == {"by-name", "by-id"}
        wire.is_late = False
        await change(admin, service, "remove", "bob")
        assert await usable(bob) == set()


async def test_the_members_of_a_new_group_are_in_it_at_once(storage: Storage) -> None:
    async with running_service(storage=storage, bots=bots()) as service:
        bob, admin = await service.bearer("bob"), await service.bearer("admin")
        (bot,) = [EchoBot(BotInfo("sales", "Sales", "", BotAccess(groups=frozenset({"Sales"}))))]
        object.__setattr__(service.gb._services.bots.catalog, "bots", (bot,))
        body = {"name": "Sales", "members": [service.dev.user_id("bob")]}
        assert (await admin.post("/api/groups/create", json=body)).status_code == 201
        assert await usable(bob) == {"sales"}


async def test_the_roles_are_no_younger_for_a_change_of_groups(storage: Storage) -> None:
    async with running_service(storage=storage) as service:
        bob, admin = await service.bearer("bob"), await service.bearer("admin")
        service.dev.set_roles("bob", ["admin"])
        service.clock.advance(290)
        await change(admin, service, "add", "bob")
        assert (await bob.get("/api/session")).headers["x-ratelimit-limit"] == "1000"
        service.clock.advance(10)
        assert (await bob.get("/api/session")).headers["x-ratelimit-limit"] == "5000"


async def test_a_change_while_the_groups_are_being_read_is_not_overwritten(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire, bots=bots()) as service:
        alice = await service.bearer("alice")
        service.clock.advance(300)
        is_read, go_on = wire.hold("/ListAuthorizations")  # a part of the answer is on its way
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alice.get, "/api/session")
            await is_read.wait()
            wire.gates.clear()
            await service.gb._services.newsroom.groups_changed(
                [service.dev.user_id("alice")],  # type: ignore[list-item] # a UserId
                {STAFF, "staff"},
                False,
            )
            go_on.set()
        assert await usable(alice) == set()


async def test_it_is_felt_on_every_node(storage: Storage) -> None:
    async with nodes(storage, 2, bus=MemoryBus(), bots=bots()) as all:
        alice, admin = await all.services[0].bearer("alice"), await all.services[1].bearer("admin")
        session = await opened(alice, "by-name")
        async with all.services[0].socket(token_of(alice)) as socket:
            await say(socket, {"type": "message", "content": "1", "session_id": session})
            await hear(socket)
            await change(admin, all.services[1], "remove", "alice")
            await say(socket, {"type": "message", "content": "2", "session_id": session})
            assert (await hear(socket))["error"]["code"] == "FORBIDDEN"


async def test_a_change_at_the_directory_is_felt_within_five_minutes(service: Service, alice: Client) -> None:
    del service.dev._state.people.groups[STAFF].members[service.dev.user_id("alice")]
    service.clock.advance(299)
    assert await usable(alice) == {"staff"}
    service.clock.advance(1)
    assert await usable(alice) == set()


async def test_a_role_that_is_taken_away_ends_admin_access_within_a_minute(service: Service, admin: Client) -> None:
    service.dev.set_roles("admin", [])
    service.clock.advance(59)
    assert (await admin.get(STATUS)).status_code == 200
    service.clock.advance(1)
    check_error(await admin.get(STATUS), 403, "FORBIDDEN")
    check_error(await admin.get("/api/admin/system/metrics"), 403, "FORBIDDEN")


async def test_a_role_that_is_given_is_had_within_five_minutes_and_at_once_by_an_admin_call(
    service: Service, bob: Client
) -> None:
    service.dev.set_roles("bob", ["admin"])
    service.clock.advance(60)
    assert (await bob.get("/api/session")).headers["x-ratelimit-limit"] == "1000"
    assert (await bob.get(STATUS)).status_code == 200
    assert (await bob.get("/api/session")).headers["x-ratelimit-limit"] == "5000"


async def test_roles_stay_as_they_were_while_the_directory_is_down_but_not_for_admin_calls(
    service: Service, admin: Client
) -> None:
    service.dev.set_down(True)
    service.clock.advance(3_000)
    assert (await admin.get("/api/session")).headers["x-ratelimit-limit"] == "5000"
    answer = await admin.get(STATUS)
    check_error(answer, 503, "SERVER_ERROR")
    assert int(answer.headers["retry-after"]) >= 1


async def test_every_session_of_a_user_who_is_deactivated_ends(service: Service, alice: Client) -> None:
    async with service.client() as browser, service.socket(token_of(alice)) as silent:
        await service.log_in("alice", browser)
        service.dev.deactivate("alice")
        assert (await browser.get("/api/session")).status_code == 200
        service.clock.advance(300)
        check_error(await browser.get("/api/session"), 401, "UNAUTHORIZED")
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
        assert await close_code(silent) == 4401


async def test_all_end_at_once_where_the_directory_says_so_itself(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire) as service:
        alice, other = await service.bearer("alice"), await service.token("alice")
        service.clock.advance(200)
        third = await service.bearer("alice")
        id = service.dev.user_id("alice")
        async with service.socket(other) as silent:
            wire.answers["/GetUserByID"] = status(200, user={"userId": id, "state": "USER_STATE_INACTIVE"})
            service.clock.advance(100)
            check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
            assert await close_code(silent) == 4401
        check_error(await third.get("/api/session"), 401, "UNAUTHORIZED")


async def test_a_silent_socket_of_a_user_who_is_deactivated_closes(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as silent:
        service.dev.deactivate("alice")
        service.clock.advance(300)
        await service.gb._services.sockets.confirm()
        assert await close_code(silent) == 4401


async def test_looking_at_silent_sockets_prolongs_no_session_and_asks_the_directory_seldom(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire) as service:
        alice = await service.bearer("alice")
        async with service.socket(token_of(alice)) as silent:
            asked = len(wire.calls)
            for _ in range(9):
                service.clock.advance(30)
                await service.gb._services.sockets.confirm()
            assert len(wire.calls) == asked
            for _ in range(111):
                service.clock.advance(30)
                await service.gb._services.sockets.confirm()
            assert await close_code(silent) == 4401  # after the hour, as without it
