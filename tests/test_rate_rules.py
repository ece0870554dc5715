"""Rate limits to the request: who shares a budget, when it ends, and what every response tells of it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import RATE_HEADERS, check_error, hear, opened, raw, refusal, say, token_of
from tests.support.service import Service, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

PROXIES = ["127.0.0.1", "10.0.0.0/8"]


async def left(service: Service, address: str, *forwarded: str) -> int:
    """What remains to an address after a request of its own; with the X-Forwarded-For headers of its proxies."""
    async with service.client(address=(address, 1)) as client:
        headers = [("x-forwarded-for", value) for value in forwarded]
        return int((await client.get("/health", headers=headers)).headers["x-ratelimit-remaining"])


@pytest.mark.parametrize("who", [None, "alice", "admin"])
async def test_exactly_the_last_request_within_the_limit_is_let_in(storage: Storage, who: str | None) -> None:
    settings = {"limit_anonymous": 10, "limit_user": 7, "limit_admin": 12}
    limit = {None: 10, "alice": 7, "admin": 12}[who]
    async with running_service(storage=storage, settings=settings) as service:
        client = await service.bearer(who) if who else service.client(address=("192.0.2.1", 1))
        told = [(await client.get("/health")).headers["x-ratelimit-remaining"] for _ in range(limit)]
        refused = [await client.get("/health") for _ in range(3)]
    assert told == [str(n) for n in reversed(range(limit))]
    for answer in refused:
        check_error(answer, 429, "RATE_LIMITED")
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert int(answer.headers["retry-after"]) >= 1


async def test_of_racing_requests_for_the_last_place_exactly_one_gets_it(storage: Storage) -> None:
    statuses: list[int] = []
    async with running_service(storage=storage, settings={"limit_user": 1}) as service:
        client = await service.bearer("alice")

        async def go() -> None:
            statuses.append((await client.get("/api/session")).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(go)
    assert sorted(statuses) == [200, *[429] * 19]


async def test_the_window_ends_by_the_clock_and_a_refused_request_does_not_eat_into_the_next(storage: Storage) -> None:
    settings = {"limit_user": 2, "limit_window": 60}
    async with running_service(storage=storage, settings=settings) as service:
        client = await service.bearer("alice")
        first = await client.get("/api/session")
        for _ in range(5):
            last = await client.get("/api/session")
        check_error(last, 429, "RATE_LIMITED")
        wait = int(last.headers["retry-after"])
        assert int(first.headers["x-ratelimit-reset"]) == service.clock.unix() + wait
        service.clock.advance(wait - 1)
        assert (await client.get("/api/session")).status_code == 429
        service.clock.advance(1)
        answer = await client.get("/api/session")
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (200, "1")


async def test_the_draft_standard_s_headers_tell_the_same(service: Service, alice: Client) -> None:
    headers = (await alice.get("/api/session")).headers
    seconds = int(headers["x-ratelimit-reset"]) - int(service.clock.unix())
    assert headers["ratelimit-policy"] == '"user";q=1000;w=3600'
    assert headers["ratelimit"] == f'"user";r=999;t={seconds}'


async def test_all_tokens_of_a_user_share_one_budget_and_other_users_do_not(service: Service, alice: Client) -> None:
    await alice.get("/api/session")
    async with await service.bearer("alice") as other, await service.bearer("bob") as bob:
        assert (await other.get("/api/bots")).headers["x-ratelimit-remaining"] == "998"
        assert (await bob.get("/api/bots")).headers["x-ratelimit-remaining"] == "999"


async def test_an_invalid_token_counts_against_the_address(service: Service, nobody: Client) -> None:
    first = await nobody.get("/health")
    answer = await nobody.get("/api/session", headers={"Authorization": "Bearer gbs_" + "A" * 43})
    check_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["x-ratelimit-limit"] == "60"
    assert int(answer.headers["x-ratelimit-remaining"]) == int(first.headers["x-ratelimit-remaining"]) - 1


async def test_addresses_have_their_own_budgets(service: Service) -> None:
    assert [await left(service, one) for one in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [59, 58, 59]


async def test_an_ipv6_network_of_64_bits_shares_one_budget(service: Service) -> None:
    same = [await left(service, one) for one in ("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff")]
    other = await left(service, "2001:db8:0:1::1")
    mapped = [await left(service, one) for one in ("192.0.2.9", "::ffff:192.0.2.9")]
    assert (same, other, mapped) == ([59, 58, 57], 59, [59, 58])


async def test_x_forwarded_for_of_anybody_is_not_believed(service: Service) -> None:
    assert [await left(service, "192.0.2.1", f"198.51.100.{n}") for n in range(3)] == [59, 58, 57]


FORWARDED: list[tuple[tuple[str, ...], str]] = [
    (("198.51.100.7",), "198.51.100.7"),
    (("198.51.100.7:4711",), "198.51.100.7"),
    (("[2001:db8::7]:4711",), "2001:db8::7"),
    (("198.51.100.7, 10.1.2.3",), "198.51.100.7"),
    (("203.0.113.1, 198.51.100.7",), "198.51.100.7"),  # the client invented the first
    (("203.0.113.1", "198.51.100.7"), "198.51.100.7"),
    (("nonsense, 198.51.100.7",), "198.51.100.7"),
    (("198.51.100.7, nonsense, 10.1.2.3",), "10.1.2.3"),
    (("nonsense",), "127.0.0.1"),
    (("",), "127.0.0.1"),
]


@pytest.mark.parametrize(("forwarded", "address"), FORWARDED)
async def test_x_forwarded_for_of_a_trusted_proxy_is_read_from_the_right(
    storage: Storage, forwarded: tuple[str, ...], address: str
) -> None:
    async with running_service(storage=storage, settings={"trusted_proxies": PROXIES}) as service:
        assert await left(service, "127.0.0.1", *forwarded) == 59
        by_itself = await left(service, address)
        assert by_itself == 58, f"not counted as {address}"


async def test_probes_of_unlimited_networks_are_not_counted(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"unlimited_networks": ["192.0.2.0/24"]}) as service:
        assert [await left(service, "192.0.2.5") for _ in range(3)] == [60, 60, 60]
        assert [await left(service, "198.51.100.1") for _ in range(2)] == [59, 58]


async def test_preflights_are_not_counted(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"cors_origins": ["*"]}) as service:
        async with service.client() as client:
            for _ in range(3):
                headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
                assert (await client.options("/api/bots", headers=headers)).status_code == 204
        assert await left(service, "127.0.0.1") == 59


ANSWERS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/api/bots", {}, 200),
    ("HEAD", "/api/bots", {}, 200),
    ("OPTIONS", "/api/bots", {}, 204),
    ("POST", "/api/session/create", {"json": {"bot_id": "echo"}}, 201),
    ("GET", "/api/bots", {"headers": {"If-None-Match": "*"}}, 304),
    ("POST", "/api/session/create", {"json": {}}, 400),
    ("GET", "/api/bots", {"headers": {"Authorization": "Bearer x"}}, 401),
    ("GET", "/api/admin/system/status", {}, 403),
    ("GET", "/api/nowhere", {}, 404),
    ("PATCH", "/api/bots", {}, 405),
    ("POST", "/api/session/create", {"content": b" " * 2_000_000}, 413),
    ("POST", "/api/session/create", {"content": b"{}"}, 415),
    ("GET", "/auth/login", {}, 302),
    ("GET", "/openapi.json", {}, 200),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), ANSWERS)
async def test_every_response_tells_where_the_client_stands(
    alice: Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = await alice.request(method, path, **options)
    assert answer.status_code == status
    for name in RATE_HEADERS:
        assert len(answer.headers.get_list(name)) == 1, name
    assert ("retry-after" in answer.headers) is (status in (429, 503))


async def test_a_message_on_a_socket_costs_one_request_and_so_does_opening_it(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as socket:
        for _ in range(3):
            await say(socket, {"type": "message", "content": "Hello", "session_id": id})
            await hear(socket)
        await say(socket, {"type": "ping"})
        await hear(socket)
        answer = await alice.get("/api/session")
    assert answer.headers["x-ratelimit-remaining"] == str(1_000 - 1 - 1 - 3 - 1)


async def test_past_the_limit_messages_are_refused_by_a_frame_and_handshakes_by_a_response(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"limit_user": 3}) as service:
        client = await service.bearer("alice")
        id = await opened(client)
        async with service.socket(token_of(client)) as socket:
            await say(socket, {"type": "message", "content": "1", "session_id": id})
            assert (await hear(socket))["content"] == "1"
            await say(socket, {"type": "message", "content": "2", "session_id": id, "id": "c-2"})
            refused = await hear(socket)
        answer = await refusal(service, token_of(client))
    assert (refused["type"], refused["id"], refused["error"]["code"]) == ("error", "c-2", "RATE_LIMITED")
    check_error(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_peer_without_an_address_has_a_budget_too(service: Service) -> None:
    remaining = []
    for _ in range(2):
        answer = await raw(service, "GET", "/health", client=None)
        remaining.append(answer.headers["x-ratelimit-remaining"])
    assert remaining == ["59", "58"]
