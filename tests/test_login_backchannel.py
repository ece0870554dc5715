"""Back-channel logout through the door: what a logout token must be, what it ends, and that it works once."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

import httpx2
import pytest
from httpx2 import AsyncClient as Client
from joserfc import jws
from joserfc.jwk import OctKey

from generalbots_api.backends.memory import MemoryBus
from generalbots_api.storage import Storage
from generalbots_api.testing import ManualClock
from generalbots_api.testing.contract import at_once
from tests.support.nodes import nodes
from tests.support.promises import check_error, close_code, token_of
from tests.support.service import BASE, Service, new_dev, running_service
from tests.support.wire import Wire, status

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

DOOR = "/auth/backchannel-logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
NOW = 1_768_910_400  # the clock of the tests stands at noon


async def tell(service: Service, token: str) -> httpx2.Response:
    async with service.client() as directory:
        return await directory.post(DOOR, data={"logout_token": token})


async def sid_of(service: Service, username: str) -> str:
    (login,) = await service.storage.logins.of_user(service.dev.user_id(username))  # type: ignore[arg-type] # a UserId
    assert login.directory_session is not None
    return login.directory_session


BAD: list[dict[str, Any]] = [
    *({"iss": iss} for iss in ("https://elsewhere.example", None, f"{BASE}/dev-directory/")),
    *({"aud": aud} for aud in ("another", [], None, ["another"], {"generalbots": 1})),
    *({"iat": iat} for iat in (None, "now", NOW + 31, -1, True)),
    *({"exp": exp} for exp in (None, "later", NOW - 30, 1e300)),
    {"nbf": NOW + 31},
    *({"nonce": nonce} for nonce in ("x", "", None)),
    *({"events": events} for events in (None, {}, [EVENT], EVENT, {EVENT: None}, {EVENT: "yes"}, {"other": {}})),
    *({"jti": jti} for jti in (None, "", 5, "x" * 256, "a\nb")),
    *({"sub": sub} for sub in (None, "", 5, ["200000000000000002"], "x" * 256, "a\x00b")),
    *({"sub": None, "sid": sid} for sid in ("", 5, [], "x" * 256)),
]


@pytest.mark.parametrize("claims", BAD, ids=lambda claims: str(claims)[:60])
async def test_a_token_that_fails_a_check_is_400_and_ends_nothing(claims: dict[str, Any]) -> None:
    async with running_service() as service:
        alice = await service.bearer("alice")
        answer = await tell(service, service.dev.logout_token("alice", **claims))
        check_error(answer, 400, "INVALID_REQUEST")
        assert answer.headers["cache-control"] == "no-store"
        assert (await alice.get("/api/session")).status_code == 200
        assert (await tell(service, service.dev.logout_token("alice"))).status_code == 200


def unsigned(token: str, algorithm: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "logout+jwt"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def signed_by_the_secret(service: Service, token: str) -> str:
    payload = base64.urlsafe_b64decode(token.split(".")[1] + "==")
    return jws.serialize_compact({"alg": "HS256"}, payload, OctKey.import_key(service.dev.client_secret))


async def test_a_token_that_the_directory_did_not_sign_is_400_and_ends_nothing(service: Service, alice: Client) -> None:
    token = service.dev.logout_token("alice")
    vault = service.gb._services.vault
    (login,) = await service.storage.logins.of_user(service.dev.user_id("alice"))  # type: ignore[arg-type] # a UserId
    assert vault is not None
    id_token = vault.open(login.sealed_grant, login.id).id_token
    assert id_token is not None
    head, body, signature = token.split(".")
    for made_up in (
        *(unsigned(token, name) for name in ("none", "None", "NONE", "", "RS256")),
        signed_by_the_secret(service, token),
        id_token.reveal(),
        *(f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}", "x", "", "a.b.c", f"{token}.{token}", " " + token),
        "x" * 20_000,
    ):
        check_error(await tell(service, made_up), 400, "INVALID_REQUEST")
    assert (await alice.get("/api/session")).status_code == 200


async def test_the_token_comes_once_in_a_form(service: Service, alice: Client, nobody: Client) -> None:
    token = service.dev.logout_token("alice")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    check_error(await nobody.post(DOOR, json={"logout_token": token}), 415, "UNSUPPORTED_MEDIA_TYPE")
    check_error(await nobody.post(f"{DOOR}?logout_token={token}", content=b"", headers=form), 400, "INVALID_REQUEST")
    check_error(await nobody.get(f"{DOOR}?logout_token={token}"), 405, "METHOD_NOT_ALLOWED")
    twice = f"logout_token={token}&logout_token={token}".encode()
    check_error(await nobody.post(DOOR, content=twice, headers=form), 400, "INVALID_REQUEST")
    assert (await alice.get("/api/session")).status_code == 200
    assert (await nobody.post(DOOR, data={"logout_token": token, "more": "x"})).status_code == 200


async def test_a_subject_ends_every_session_of_the_user_and_of_nobody_else(service: Service, bob: Client) -> None:
    clients = [await service.bearer("alice") for _ in range(3)]
    assert (await tell(service, service.dev.logout_token("alice"))).status_code == 200
    for client in clients:
        check_error(await client.get("/api/session"), 401, "UNAUTHORIZED")
    assert (await bob.get("/api/session")).status_code == 200


async def test_a_session_of_the_directory_ends_what_began_in_it_only(service: Service, alice: Client) -> None:
    sid = await sid_of(service, "alice")
    other = await service.bearer("alice")  # in another browser
    assert (await tell(service, service.dev.logout_token("alice", sid, sub=None))).status_code == 200
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")
    assert (await other.get("/api/session")).status_code == 200


async def test_a_session_of_another_subject_is_left_alone(service: Service, alice: Client, bob: Client) -> None:
    sid = await sid_of(service, "alice")
    assert (await tell(service, service.dev.logout_token("bob", sid))).status_code == 200
    assert (await alice.get("/api/session")).status_code == 200
    assert (await bob.get("/api/session")).status_code == 200


async def test_what_is_over_already_is_a_success(service: Service) -> None:
    assert (await tell(service, service.dev.logout_token("alice"))).status_code == 200
    assert (await tell(service, service.dev.logout_token("alice", "unknown", sub=None))).status_code == 200


async def test_of_one_token_many_times_at_once_one_is_taken(service: Service, alice: Client) -> None:
    token = service.dev.logout_token("alice")
    answers = await at_once(*[partial(tell, service, token)] * 10)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_a_token_that_was_taken_works_on_no_node_and_against_no_later_session(storage: Storage) -> None:
    async with nodes(storage, 2, bus=MemoryBus()) as all:
        first, second = all.services
        token = first.dev.logout_token("alice")
        assert (await tell(first, token)).status_code == 200
        again = await second.bearer("alice")
        for service in all.services:
            check_error(await tell(service, token), 400, "INVALID_REQUEST")
        all.clock.advance(150)  # with the leeway
        await second.gb._services.storage.seen_tokens.prune(all.clock.now())
        check_error(await tell(second, token), 400, "INVALID_REQUEST")
        assert (await again.get("/api/session")).status_code == 200


async def test_while_the_keys_cannot_be_had_it_is_503_so_that_the_directory_tries_again(storage: Storage) -> None:
    wire = Wire()
    async with running_service(storage=storage, wire=wire) as service:
        await service.dev._state.keys.ready()
        token = service.dev.logout_token("alice")
        wire.answers[""] = status(503)
        check_error(await tell(service, token), 503, "SERVER_ERROR")
        wire.answers.clear()
        service.clock.advance(11)
        assert (await tell(service, token)).status_code == 200


async def test_the_directory_s_address_can_be_exempt_from_the_quota(storage: Storage) -> None:
    settings = {"unlimited_networks": ["127.0.0.1/32"]}
    async with running_service(storage=storage, settings=settings) as service:
        statuses = {(await tell(service, service.dev.logout_token("bob", jti=f"j{n}"))).status_code for n in range(80)}
    assert statuses == {200}


async def test_a_logout_at_the_directory_reaches_the_sockets(storage: Storage) -> None:
    clock = ManualClock()
    dev = new_dev(clock, backchannel_logout_uri=BASE + DOOR)
    async with running_service(storage=storage, clock=clock, dev=dev) as service:
        alice = await service.bearer("alice")
        async with service.socket(token_of(alice)) as socket:
            assert await dev.end_session_of("alice", httpx2.ASGITransport(app=service.app)) == 200
            assert await close_code(socket) == 4401
        check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_the_logout_url_ends_the_session_at_the_directory_and_comes_back(service: Service) -> None:
    async with service.client() as browser:
        await service.log_in("alice", browser)
        out = (await browser.post("/auth/logout")).json()
        answer = await browser.get(out["logout_url"])
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(f"{BASE}/?state=")
        begun = (await browser.get("/auth/login")).headers["location"]
        assert (await browser.get(begun)).status_code == 200  # the page that asks for the password
