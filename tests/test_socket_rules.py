"""The socket: who is let in, what is answered to hostile frames, and what closes it, on each storage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import (
    check_error,
    check_refused,
    close_code,
    hear,
    opened,
    refusal,
    say,
    token_of,
)
from tests.support.service import Service, running_service, session_token

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

APP = "https://app.example"
OWN = "http://127.0.0.1:8080"


# Opening


async def test_the_socket_is_refused_by_a_response_that_tells_why(service: Service, alice: Client) -> None:
    answer = await refusal(service, "gbs_" + "A" * 43)
    check_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    check_error(await refusal(service, token_of(alice), "/ws/nowhere"), 404, "NOT_FOUND")
    check_error(await refusal(service, token_of(alice), "/api/bots"), 404, "NOT_FOUND")


async def test_credentials_that_are_none_are_refused(service: Service, alice: Client) -> None:
    token = token_of(alice)
    session_id = (await alice.get("/api/session")).json()["session_id"]
    for value in ("", "Bearer", "Bearer \x7f", f"Basic {token}", token, f"Bearer {session_id}", f"Bearer {token}x"):
        answer = await refusal(service, "", headers={"Authorization": value})
        check_refused(value, answer, 401)
    for name in ("token", "access_token", "authorization", "session_id"):
        answer = await refusal(service, "", f"/ws?{name}={token}", headers={"Authorization": ""})
        check_refused(name, answer, 401)


@pytest.mark.parametrize("origin", [None, OWN, APP])
async def test_with_a_token_an_origin_may_be_absent_and_must_be_allowed_if_there(
    storage: Storage, origin: str | None
) -> None:
    async with running_service(storage=storage, settings={"cors_origins": [APP]}) as service:
        token = await service.token("alice")
        async with service.socket(token, headers={"Origin": origin} if origin else {}) as socket:
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "*", "http://127.0.0.1:8081", f"{APP}.evil.example"]
)
async def test_another_origin_is_refused(storage: Storage, origin: str) -> None:
    async with running_service(storage=storage, settings={"cors_origins": [APP]}) as service:
        answer = await refusal(service, await service.token("alice"), headers={"Origin": origin})
    check_error(answer, 403, "FORBIDDEN")


@pytest.mark.parametrize(("origin", "is_let_in"), [(OWN, True), (None, False), ("https://evil.example", False)])
async def test_with_a_cookie_the_origin_must_be_there_and_allowed(
    service: Service, browser: Client, origin: str | None, is_let_in: bool
) -> None:
    headers = {"Cookie": f"gb_session={session_token(browser)}", **({"Origin": origin} if origin else {})}
    if is_let_in:
        async with service.socket(None, headers=headers) as socket:
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}
    else:
        check_error(await refusal(service, None, headers=headers), 403, "FORBIDDEN")


async def test_hostile_session_ids_in_the_query_are_refused(service: Service, alice: Client) -> None:
    for id in ("unknown", "%00", "%ff", "x" * 20_000, "%F0%9F%98%80", "a%2Fb", "%ED%A0%80"):
        check_refused(id[:50], await refusal(service, token_of(alice), f"/ws?session_id={id}"), 400, 404)


async def test_too_many_sockets_in_all_are_refused_and_of_one_user_close_the_oldest(storage: Storage) -> None:
    settings = {"sockets_per_user": 1, "max_sockets": 2}
    async with running_service(storage=storage, settings=settings) as service:
        alice, bob, admin = [await service.token(name) for name in ("alice", "bob", "admin")]
        async with service.socket(alice) as first, service.socket(alice) as second:
            assert await close_code(first) == 4409
            await say(second, {"type": "ping"})
            assert await hear(second) == {"type": "pong"}
            async with service.socket(bob):
                check_error(await refusal(service, admin), 503, "SERVER_ERROR")


# Frames


MALFORMED = {
    **{"empty": "", "text": "x", "open": "{", "list": "[]", "null": "null", "number": "1", "no type": "{}"},
    **{"type null": '{"type": null}', "type number": '{"type": 1}', "type list": '{"type": ["message"]}'},
    **{"duplicate key": '{"type": "ping", "type": "ping"}', "NaN": '{"type": "ping", "x": NaN}'},
    **{"infinity": '{"type": "ping", "x": Infinity}', "2**63": f'{{"type": "ping", "x": {2**63}}}'},
    **{"lone surrogate": '{"type": "ping", "x": "\\ud800"}', "NUL": '{"type": "ping", "x": "\\u0000"}'},
    **{"depth 33": '{"type": "ping", "x": ' + "[" * 32 + "]" * 32 + "}", "deep": "[" * 60_000},
    **{"BOM": '\ufeff{"type": "ping"}', "content": '{"type": "message", "content": 1}'},
    **{"metadata": '{"type": "message", "content": "x", "metadata": []}', "digits": "9" * 5_000},
}


@pytest.mark.parametrize("name", list(MALFORMED))
async def test_a_malformed_frame_is_answered_by_an_error_frame(service: Service, alice: Client, name: str) -> None:
    async with service.socket(token_of(alice)) as socket:
        await say(socket, MALFORMED[name])
        answer = await hear(socket)
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}
    assert (answer["type"], answer["error"]["code"]) == ("error", "INVALID_REQUEST")
    assert set(answer["error"]) == {"code", "message", "details"}


WRONG: list[dict[str, Any]] = [
    *({"content": ""}, {"content": None}, {"content": "x" * 32_001}, {"content": "a\x00b"}),
    *({"id": ""}, {"id": "x" * 65}, {"id": "a b"}, {"id": "\U0001f600"}, {"id": "a\n"}),
    *({"metadata": {"x": "x" * 17_000}}, {"type": "Message"}, {"type": ""}),
]


async def test_messages_out_of_bounds_are_refused_and_nothing_is_stored(service: Service, alice: Client) -> None:
    id = await opened(alice)
    for wrong in WRONG:
        async with service.socket(token_of(alice)) as socket:
            await say(socket, {"type": "message", "content": "x", "session_id": id, **wrong})
            answer = await hear(socket)
        assert (answer["type"], answer["error"]["code"]) == ("error", "INVALID_REQUEST"), wrong
    assert (await alice.get(f"/api/conversations/{id}/history")).json()["messages"] == []


async def test_hostile_session_ids_in_a_message_are_not_found(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        for id in ("unknown", "\U0001f600", "a/b", "../x", "x" * 60_000, "' OR 1=1--"):
            await say(socket, {"type": "message", "content": "x", "session_id": id})
            assert (await hear(socket))["error"]["code"] == "NOT_FOUND", id[:50]


async def test_the_longest_message_is_let_through(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "message", "content": "x" * 32_000, "session_id": id})
        assert len((await hear(socket))["content"]) == 32_000


@pytest.mark.parametrize(("id", "code"), [("bob's", "FORBIDDEN"), ("unknown", "NOT_FOUND"), ("ended", "NOT_FOUND")])
async def test_a_session_that_is_not_one_s_own_is_answered_by_an_error_frame(
    service: Service, alice: Client, bob: Client, id: str, code: str
) -> None:
    ids = {"bob's": await opened(bob), "unknown": "unknown", "ended": await opened(alice)}
    await alice.delete(f"/api/session/{ids['ended']}")
    async with service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "message", "content": "Hello", "session_id": ids[id], "id": "c-1"})
        answer = await hear(socket)
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}
    assert (answer["type"], answer["error"]["code"], answer["id"]) == ("error", code, "c-1")


async def test_the_session_may_be_named_in_the_query_of_the_socket(service: Service, alice: Client) -> None:
    id, _ = await opened(alice), await opened(alice)
    async with service.socket(token_of(alice), f"/ws?session_id={id}") as socket:
        await say(socket, {"type": "message", "content": "1"})
        assert (await hear(socket))["session_id"] == id


async def test_somebody_else_s_session_in_the_query_is_refused(service: Service, alice: Client, bob: Client) -> None:
    id = await opened(alice)
    check_error(await refusal(service, token_of(bob), f"/ws?session_id={id}"), 403, "FORBIDDEN")


async def test_the_session_may_be_left_out_when_exactly_one_is_active(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "message", "content": "1"})
        assert (await hear(socket))["session_id"] == id
        await opened(alice)
        await say(socket, {"type": "message", "content": "2"})
        assert (await hear(socket))["error"]["details"]["fields"] == {"session_id": "2 sessions are active"}


# What closes it


async def test_a_frame_that_is_too_big_closes_with_1009(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        await say(socket, json.dumps({"type": "ping", "x": "x" * 65_536}))
        assert await close_code(socket) == 1009


async def test_the_bound_of_a_frame_is_in_bytes(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        await say(socket, json.dumps({"type": "ping", "x": "\U0001f600" * 17_000}, ensure_ascii=False))
        assert await close_code(socket) == 1009


async def test_a_binary_frame_closes_with_1003(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        await socket.send_bytes(b'{"type": "ping"}')
        assert await close_code(socket) == 1003


async def test_five_malformed_frames_in_a_minute_close_with_4400(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        for _ in range(4):
            await say(socket, "x")
            assert (await hear(socket))["error"]["code"] == "INVALID_REQUEST"
        service.clock.advance(61)
        for _ in range(4):
            await say(socket, "x")
            assert (await hear(socket))["error"]["code"] == "INVALID_REQUEST"
        await say(socket, "x")
        assert await close_code(socket) == 4400


async def test_a_flood_is_answered_by_rate_limited_and_closes_with_4429_if_it_goes_on(
    service: Service, alice: Client
) -> None:
    async with service.socket(token_of(alice)) as socket:
        for _ in range(40):
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}
        await say(socket, {"type": "ping"})
        assert (await hear(socket))["error"]["code"] == "RATE_LIMITED"
        service.clock.advance(1)
        for _ in range(20):
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}
        for _ in range(41):
            await say(socket, {"type": "ping"})
        assert await close_code(socket) == 4429


async def test_logout_closes_the_sockets_of_this_login_only(service: Service, alice: Client) -> None:
    other = await service.token("alice")
    async with service.socket(token_of(alice)) as socket, service.socket(other) as another:
        await alice.post("/auth/logout")
        assert await close_code(socket) == 4401
        await say(another, {"type": "ping"})
        assert await hear(another) == {"type": "pong"}


async def test_deleting_the_login_session_closes_its_sockets(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        id = (await alice.get("/api/session")).json()["session_id"]
        await alice.delete(f"/api/session/{id}")
        assert await close_code(socket) == 4401


async def test_deleting_a_bot_session_closes_the_sockets_that_take_part_in_it(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as inside, service.socket(token_of(alice)) as outside:
        await say(inside, {"type": "message", "content": "1", "session_id": id})
        await hear(inside)
        await alice.delete(f"/api/session/{id}")
        assert await close_code(inside) == 4401
        await say(outside, {"type": "ping"})
        assert await hear(outside) == {"type": "pong"}


async def test_a_backchannel_logout_closes_the_sockets(service: Service, alice: Client, nobody: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        data = {"logout_token": service.dev.logout_token("alice")}
        assert (await nobody.post("/auth/backchannel-logout", data=data)).status_code == 200
        assert await close_code(socket) == 4401


async def test_the_end_of_the_login_closes_a_silent_socket(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        service.clock.advance(3_601)
        await service.gb._services.sockets.sweep()
        assert await close_code(socket) == 4401


async def test_a_login_that_was_prolonged_elsewhere_keeps_its_sockets(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        service.clock.advance(3_000)
        await alice.get("/api/session")
        service.clock.advance(3_000)
        await service.gb._services.sockets.sweep()
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}


async def test_draining_closes_with_1012_and_lets_nobody_in(service: Service, alice: Client) -> None:
    async with service.socket(token_of(alice)) as socket:
        await service.gb.drain()
        assert await close_code(socket) == 1012
    check_error(await refusal(service, token_of(alice)), 503, "SERVER_ERROR")
