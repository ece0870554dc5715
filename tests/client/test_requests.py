"""What the client promises of a request: where the token goes, what is repeated and when, and what is raised."""

from __future__ import annotations

import asyncio
import json as jsons
from typing import Any

import httpx2
import pytest

from generalbots_api.client import (
    ApiError,
    Backoff,
    BadAnswer,
    Client,
    ConnectionFailed,
    Forbidden,
    Operation,
    Rate,
    RateLimited,
    ServerError,
    Unauthorized,
)
from tests.client.scripted import BASE, TOKEN, Script, Step, json, problem, scripted

pytestmark = pytest.mark.anyio
HEALTHY = {"status": "healthy", "timestamp": "2026-01-20T12:00:00Z"}
SENT = {"message_id": "m1", "seq": 1, "reply_id": "m2", "duplicate": False, "timestamp": "2026-01-20T12:00:00Z"}


async def test_the_token_is_in_the_authorization_header_and_nowhere_else() -> None:
    async with scripted(json(HEALTHY)) as (client, script):
        await client.health()
    request = script.asked[0]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(request.url)
    assert TOKEN not in repr(client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_even_by_a_client_that_follows(status: int) -> None:
    script = Script([httpx2.Response(status, headers={"Location": "https://elsewhere.test/"})])
    async with (
        httpx2.AsyncClient(transport=httpx2.MockTransport(script.answer), follow_redirects=True) as http,
        Client(BASE, token=TOKEN, http=http) as client,
    ):
        with pytest.raises(BadAnswer, match="redirect"):
            await client.health()
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "base", ["", "ftp://a.test", "http://", "http://u:p@a.test", "http://a.test?x=1", "http://a.test/#x", "a.test"]
)
def test_a_base_url_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Client(base)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ä"])
def test_a_token_that_cannot_be_a_header_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as refused:
        Client(BASE, token=token)
    assert token == "" or token not in str(refused.value)


@pytest.mark.parametrize("id", ["", ".", ".."])
async def test_an_id_that_leads_elsewhere_is_refused(id: str) -> None:
    async with scripted() as (client, _):
        with pytest.raises(ValueError, match="id"):
            await client.end_session(id)


async def test_an_id_is_one_segment_of_the_path() -> None:
    async with scripted(json({"success": True})) as (client, script):
        await client.end_session("a/../b?c#d")
    assert script.asked[0].url.raw_path == b"/api/session/a%2F..%2Fb%3Fc%23d"


async def test_a_prefix_of_the_base_is_kept() -> None:
    async with scripted(json(HEALTHY), base_url=f"{BASE}/bots/") as (client, script):
        await client.health()
    assert str(script.asked[0].url) == f"{BASE}/bots/health"


async def test_an_error_tells_code_status_details_and_request_id() -> None:
    answer = problem(403, "FORBIDDEN", {"X-Request-Id": "r-1"}, reason="group")
    async with scripted(answer) as (client, script):
        with pytest.raises(Forbidden) as raised:
            await client.create_session("b")
    error = raised.value
    assert (error.code, error.status, error.message) == ("FORBIDDEN", 403, "told")
    assert (error.details, error.request_id, error.retry_after) == ({"reason": "group"}, "r-1", None)
    assert script.waits == []


async def test_a_code_of_tomorrow_is_an_api_error() -> None:
    async with scripted(problem(418, "TEAPOT")) as (client, _):
        with pytest.raises(ApiError) as raised:
            await client.session()
    assert type(raised.value) is ApiError
    assert raised.value.code == "TEAPOT"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}', b"\xff"])
async def test_a_proxys_page_is_an_error_by_its_status(body: bytes) -> None:
    async with scripted(httpx2.Response(403, content=body)) as (client, _):
        with pytest.raises(Forbidden):
            await client.session()


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"valid": "yes"}', b"{}"])
async def test_an_answer_that_is_not_the_apis_is_a_bad_answer(body: bytes) -> None:
    async with scripted(httpx2.Response(200, content=body)) as (client, _):
        with pytest.raises(BadAnswer):
            await client.validate()


async def test_an_answer_without_end_is_a_bad_answer() -> None:
    async with scripted(httpx2.Response(200, content=b" " * 2**20)) as (client, _):
        client._requests.max_answer = 2**20 - 1
        with pytest.raises(BadAnswer, match="over"):
            await client.health()


async def test_reading_is_tried_again_with_full_jitter_that_doubles() -> None:
    failures: list[Step] = [
        httpx2.ReadError("cut"),
        httpx2.ReadTimeout("slow"),
        problem(503, "SERVER_ERROR"),
        problem(502, "x"),
    ]
    async with scripted(*failures, json(HEALTHY)) as (client, script):
        assert (await client.health()).status == "healthy"
    assert len(script.waits) == 4
    assert all(0 <= wait <= 0.5 * 2**place for place, wait in enumerate(script.waits))
    assert len(set(script.waits)) == 4


async def test_tries_are_bounded() -> None:
    steps = [httpx2.ReadError("cut") for _ in range(5)]
    async with scripted(*steps) as (client, script):
        with pytest.raises(ConnectionFailed):
            await client.health()
    assert len(script.asked) == 5


@pytest.mark.parametrize("failure", [httpx2.ReadError("cut"), httpx2.ReadTimeout("slow"), problem(503, "SERVER_ERROR")])
async def test_what_is_not_safe_to_repeat_is_not_repeated(failure: Any) -> None:
    async with scripted(failure) as (client, script):
        with pytest.raises((ConnectionFailed, ServerError)):
            await client.create_session("b")
    assert len(script.asked) == 1


async def test_what_never_arrived_is_repeated_whatever_it_is() -> None:
    session = {"session_id": "s", "bot_id": "b", "status": "active", "user_id": "u"}
    session |= {"created_at": "2026-01-20T12:00:00Z", "expires_at": "2026-01-20T13:00:00Z"}
    async with scripted(httpx2.ConnectError("refused"), json(session, 201)) as (client, script):
        assert (await client.create_session("b")).session_id == "s"
    assert len(script.asked) == 2


async def test_a_send_is_repeated_with_one_and_the_same_id() -> None:
    async with scripted(httpx2.ReadError("cut"), problem(503, "SERVER_ERROR"), json(SENT, 202)) as (client, script):
        assert (await client.send("s", "Hello")).seq == 1
    ids = {request.headers["idempotency-key"] for request in script.asked}
    assert len(ids) == 1
    assert {jsons.loads(request.content)["id"] for request in script.asked} == ids


@pytest.mark.parametrize(("key", "tries"), [("k", 2), (None, 1)])
async def test_a_batch_is_repeated_only_if_each_operation_is_safe(key: str | None, tries: int) -> None:
    operations = [
        Operation(id="1", method="GET", path="/api/session"),
        Operation(id="2", method="POST", path="/api/conversations/s/messages", body={}, idempotency_key=key),
    ]
    async with scripted(httpx2.ReadError("cut"), json({"results": []})) as (client, script):
        if tries == 1:
            with pytest.raises(ConnectionFailed):
                await client.batch(operations)
        else:
            assert await client.batch(operations) == []
    assert len(script.asked) == tries


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Tue, 20 Jan 2026 12:00:09 GMT"}, 9),
        ({"Retry-After": "Tue, 20 Jan 2026 12:00:09 GMT", "Date": "Tue, 20 Jan 2026 12:00:05 GMT"}, 4),
        ({"X-RateLimit-Reset": "1768910412"}, 12),
        ({"X-RateLimit-Reset": "1768910412", "Date": "Tue, 20 Jan 2026 12:00:02 GMT"}, 10),
        ({"Retry-After": "3", "X-RateLimit-Reset": "1768910412"}, 3),
        ({"Retry-After": "soon"}, 0),
        ({"X-RateLimit-Reset": "1768910000"}, 0),
        ({}, 0),
    ],
)
async def test_a_429_is_waited_for_as_long_as_it_says_whatever_was_asked(headers: dict[str, str], least: int) -> None:
    async with scripted(problem(429, "RATE_LIMITED", headers), json({"success": True})) as (client, script):
        await client.end_session("s")
    assert least <= script.waits[0] <= least + 0.5


async def test_a_429_that_asks_for_more_than_our_patience_is_raised_at_once() -> None:
    async with scripted(problem(429, "RATE_LIMITED", {"Retry-After": "3600"})) as (client, script):
        with pytest.raises(RateLimited) as raised:
            await client.session()
    assert raised.value.retry_after == 3600
    assert script.waits == []


async def test_the_quota_of_the_newest_answer_is_told() -> None:
    first = json(HEALTHY, x_ratelimit_limit="1000", x_ratelimit_remaining="998", x_ratelimit_reset="1768910412")
    async with scripted(first, json(HEALTHY, x_ratelimit_limit="many")) as (client, _):
        assert client.rate is None
        await client.health()
        await client.health()
        assert client.rate == Rate(1000, 998, 1768910412)


@pytest.mark.parametrize(("remaining", "reset", "least"), [("0", 12, 12), ("1", 12, None), ("0", 3600, None)])
async def test_a_quota_that_is_used_up_is_waited_for_instead_of_being_refused(
    remaining: str, reset: int, least: int | None
) -> None:
    told: dict[str, Any] = {
        "x_ratelimit_limit": "60",
        "x_ratelimit_remaining": remaining,
        "x_ratelimit_reset": str(1768910400 + reset),
    }
    async with scripted(json(HEALTHY, **told), json(HEALTHY)) as (client, script):
        await client.health()
        await client.health()
    if least is None:
        assert script.waits == []
    else:
        assert least <= script.waits[0] <= least + 0.5


async def test_an_answer_with_an_etag_is_asked_for_once() -> None:
    bots = {"bots": [{"id": "echo", "name": "Echo", "description": "", "status": "online"}]}
    steps = [json(bots, ETag='"1"'), httpx2.Response(304, headers={"ETag": '"1"'}), json({"bots": []}, ETag='"2"')]
    async with scripted(*steps) as (client, script):
        assert await client.bots() == await client.bots()
        assert await client.bots() == []
    assert [request.headers.get("if-none-match") for request in script.asked] == [None, '"1"', '"1"']


async def test_what_is_kept_is_for_one_login_and_one_query() -> None:
    bots = json({"bots": []}, ETag='"1"')

    async def log_in() -> str:
        return "gbs_other"

    steps = [bots, bots, problem(401, "UNAUTHORIZED"), bots]
    async with scripted(*steps, log_in=log_in) as (client, script):
        await client.bots()
        await client.bots(limit=5)
        await client.bots()
    assert [request.headers.get("if-none-match") for request in script.asked] == [None, None, '"1"', None]


def test_a_backoff_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"first": -1.0}, {"first": 9.0, "longest": 1.0}, {"tries": 0}, {"patience": -1.0}):
        with pytest.raises(ValueError, match="must"):
            Backoff(**wrong)


async def test_a_refused_token_is_renewed_once_and_the_request_sent_again() -> None:
    logins = 0

    async def log_in() -> str:
        nonlocal logins
        logins += 1
        return f"gbs_{logins}"

    async with scripted(problem(401, "UNAUTHORIZED"), json(HEALTHY), log_in=log_in) as (client, script):
        await client.health()
    assert script.tokens == [f"Bearer {TOKEN}", "Bearer gbs_1"]
    refusals = [problem(401, "UNAUTHORIZED"), problem(401, "UNAUTHORIZED")]
    async with scripted(*refusals, log_in=log_in) as (client, script):
        with pytest.raises(Unauthorized):
            await client.create_session("b")
    assert logins == 2


async def test_without_a_token_the_first_request_logs_in() -> None:
    async def log_in() -> str:
        return "gbs_new"

    async with scripted(json(HEALTHY), token=None, log_in=log_in) as (client, script):
        await client.health()
    assert script.tokens == ["Bearer gbs_new"]


async def test_without_a_hook_a_401_is_raised() -> None:
    async with scripted(problem(401, "UNAUTHORIZED")) as (client, script):
        with pytest.raises(Unauthorized):
            await client.session()
    assert len(script.asked) == 1


async def test_logging_out_never_logs_in() -> None:
    async def log_in() -> str:
        raise AssertionError("asked for a login")

    async with scripted(problem(401, "UNAUTHORIZED"), log_in=log_in) as (client, _):
        with pytest.raises(Unauthorized):
            await client.logout()


async def test_of_many_refused_requests_one_logs_in() -> None:
    logins = 0

    async def log_in() -> str:
        nonlocal logins
        logins += 1
        await asyncio.sleep(0)
        return "gbs_new"

    def answer(request: httpx2.Request) -> httpx2.Response:
        good = request.headers["authorization"] == "Bearer gbs_new"
        return json(HEALTHY) if good else problem(401, "UNAUTHORIZED")

    async with scripted(*[answer] * 40, log_in=log_in) as (client, script):
        await asyncio.gather(*(client.health() for _ in range(20)))
    assert logins == 1
    assert len(script.asked) == 40


async def test_a_failed_login_reaches_everyone_who_waits_and_the_next_may_try_again() -> None:
    logins = 0

    async def log_in() -> str:
        nonlocal logins
        logins += 1
        await asyncio.sleep(0)
        raise PermissionError("no")

    async with scripted(*[problem(401, "UNAUTHORIZED")] * 6, log_in=log_in) as (client, _):
        failures = await asyncio.gather(*(client.health() for _ in range(5)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [PermissionError] * 5
        assert logins == 1
        with pytest.raises(PermissionError):
            await client.health()
        assert logins == 2


async def test_one_who_goes_away_does_not_end_the_login_of_the_others() -> None:
    gate = asyncio.Event()

    async def log_in() -> str:
        await gate.wait()
        return "gbs_new"

    async with scripted(json(HEALTHY), token=None, log_in=log_in) as (client, script):
        impatient = asyncio.create_task(client.health())
        patient = asyncio.create_task(client.health())
        await asyncio.sleep(0)
        impatient.cancel()
        gate.set()
        assert (await patient).status == "healthy"
    assert script.tokens == ["Bearer gbs_new"]
