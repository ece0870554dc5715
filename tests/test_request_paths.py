"""The short way of a request, where nothing waits, gives what the long way gives; and keeps no more than it should."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel
import httpx2
import pytest

from generalbots_api.auth.identity import NOBODYS
from generalbots_api.backends.memory import MemoryLimiter
from generalbots_api.errors import Unavailable
from generalbots_api.ids import TokenHash, hash_token, quickest_sha256
from generalbots_api.limits.model import Decision, Quota
from generalbots_api.limits.service import take_now_of
from generalbots_api.web.head import CookieReader, Head
from generalbots_api.web.identity import Identification, credentials_of
from tests.support.events import http_scope
from tests.support.promises import check_error, hear, opened, refusal, say
from tests.support.service import Service, running_service

pytestmark = pytest.mark.anyio

TEN = Quota("user", 10, 60)
TOKEN = b"gbs_" + b"a" * 43
UNKNOWN = {"Authorization": "Bearer " + TOKEN.decode()}


class WaitingLimiter(MemoryLimiter):
    """One whose `take` is its own, and takes its time: nothing may go past it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.is_down = False

    async def take(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        await anyio.lowlevel.checkpoint()
        self.asked += 1
        if self.is_down:
            raise Unavailable("The limiter is away")
        return await super().take(key, quota, now_unix)


@asynccontextmanager
async def with_limiter(limiter: MemoryLimiter, **settings: Any) -> AsyncIterator[Service]:
    async with running_service(limiter=limiter, settings={"limit_user": 4, **settings}) as service:
        yield service


async def all_answers(limiter: MemoryLimiter) -> list[Any]:
    """What a user and nobody hear, until the user's quota is used up and after."""
    async with with_limiter(limiter, unlimited_networks=["192.0.2.0/24"]) as service:
        token = await service.token("alice")
        answers: list[httpx2.Response] = []
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as alice:
            answers.append(await alice.get("/api/session"))
            session_id = await opened(alice)
            async with service.socket(token) as socket:
                await say(socket, {"type": "message", "content": "1", "session_id": session_id})
                assert (await hear(socket))["content"] == "1"
                await say(socket, {"type": "message", "content": "2", "session_id": session_id})
                frame = await hear(socket)
            answers += [await alice.get("/api/session"), await alice.head("/api/session")]
            service.clock.advance(30)
            answers += [await alice.get("/api/session"), await refusal(service, token)]
        async with service.client() as nobody, service.client(address=("192.0.2.7", 1)) as probe:
            answers += [await nobody.get("/api/session"), await nobody.get("/api/session", headers=UNKNOWN)]
            answers += [await nobody.get("/api/session", headers=UNKNOWN), await nobody.get("/nothing")]
            answers += [await probe.get("/health")]
    return [frame["error"], *([one.status_code, sorted(shown(one.headers)), one.content[:9]] for one in answers)]


def shown(headers: httpx2.Headers) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.multi_items() if name != "x-request-id"]


async def test_a_limiter_that_has_to_be_waited_for_is_asked_and_answers_are_the_same() -> None:
    waiting = WaitingLimiter()
    quick, slow = await all_answers(MemoryLimiter()), await all_answers(waiting)
    assert quick == slow
    assert [answer[0] for answer in quick[1:]] == [200, 429, 429, 429, 429, 401, 401, 401, 404, 200]
    assert waiting.asked > 12


@pytest.mark.parametrize(("policy", "status", "remaining"), [("open", 200, "4"), ("closed", 503, "0")])
async def test_a_limiter_that_is_down_is_dealt_with_as_the_settings_say(
    policy: str, status: int, remaining: str, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = WaitingLimiter()
    async with with_limiter(limiter, limiter_failure=policy) as service, await service.bearer("alice") as alice:
        limiter.is_down = True
        answers = [await alice.get("/api/session") for _ in range(2)]
        limiter.is_down = False
        back = await alice.get("/api/session")
    assert [(one.status_code, one.headers["x-ratelimit-remaining"]) for one in answers] == [(status, remaining)] * 2
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["limiter.down", "limiter.back"]
    assert (back.status_code, back.headers["x-ratelimit-remaining"]) == (200, "3")


async def test_what_is_counted_now_and_what_is_waited_for_is_one_count() -> None:
    limiter = MemoryLimiter()
    told = [limiter.take_now("k", TEN, 1.0), await limiter.take("k", TEN, 1.0), limiter.take_now("k", TEN, 1.0)]
    assert told == [Decision(True, 10, remaining, 61.0) for remaining in (9, 8, 7)]


def test_only_a_limiter_that_says_so_itself_is_not_waited_for() -> None:
    class Both(MemoryLimiter):
        async def take(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
            return self.take_now(key, quota, now_unix)

        def take_now(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
            return super().take_now(key, quota, now_unix)

    limiter, both = MemoryLimiter(), Both()
    assert (take_now_of(limiter), take_now_of(both)) == (limiter.take_now, both.take_now)
    assert take_now_of(WaitingLimiter()) is None


AUTHORIZATIONS = [
    b"Bearer " + TOKEN,
    b"bearer " + TOKEN,
    b"BEARER   " + TOKEN + b" ",
    b"Bearer " + TOKEN + b"a",
    b"Bearer " + TOKEN[:-1],
    b"Bearer gbt_" + TOKEN[4:],
    b"Bearer\t" + TOKEN,
    b"Basic " + TOKEN,
    b"Bearer ",
    b"",
]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("sent", AUTHORIZATIONS)
async def test_a_header_is_read_the_short_way_as_the_long_way(sent: bytes, count: int) -> None:
    head = Head(authorization=sent, authorizations=count)
    async with running_service() as service:
        who = Identification(service.gb._services.login_sessions, CookieReader(b"gb_session"), None).known(head, 0.0)
    token = credentials_of(head, CookieReader(b"gb_session")).token
    assert who.token_hash == (hash_token(token) if token is not None else None)
    assert (who.caller, who.is_token_sent, who.is_by_cookie) == (None, True, False)
    assert who.is_unsure is (token is not None)


def test_the_quickest_sha256_is_sha256() -> None:
    for size in range(200):
        text = bytes(range(size))
        assert quickest_sha256()(text).digest() == hashlib.sha256(text).digest() == hash_token(text)
    assert hash_token("gbs_é\ud800") == hashlib.sha256("gbs_é\ud800".encode("utf-8", "surrogatepass")).digest()


async def test_of_the_tokens_that_are_nobody_s_no_more_are_kept_than_the_bound() -> None:
    async with running_service() as service:
        sessions = service.gb._services.login_sessions
        for number in range(NOBODYS + 50):
            assert await sessions.find(TokenHash(b"%d" % number), 1.0) is None
        assert len(sessions._nobodys) == NOBODYS
        seen = [sessions.seen(TokenHash(b"%d" % number), 1.5) for number in (NOBODYS + 49, 0)]
        assert [one is not None and one.caller is None for one in seen] == [True, False]


async def test_a_clock_that_goes_back_makes_nobody_known() -> None:
    async with running_service() as service, await service.bearer("alice") as alice:
        sessions, clock = service.gb._services.login_sessions, service.clock
        await alice.get("/api/session")
        token_hash, now = next(iter(sessions._known)), clock.unix()
        await sessions.find(TokenHash(b"unknown"), now)
        times = (now - 0.5, now, now + 0.99, now + 1)
        assert [sessions.seen(token_hash, time) is not None for time in times] == [False, True, True, False]
        assert [sessions.seen(TokenHash(b"unknown"), time) is not None for time in times] == [False, True, True, False]


async def test_a_budget_that_is_used_up_is_told_anew_each_second() -> None:
    async with with_limiter(MemoryLimiter(), limit_window=60) as service, await service.bearer("alice") as alice:
        for _ in range(4):
            await alice.get("/api/session")
        told = []
        for _ in range(3):
            answer = await alice.get("/api/session")
            check_error(answer, 429, "RATE_LIMITED")
            assert answer.json()["error"]["details"] == {"retry_after_seconds": int(answer.headers["retry-after"])}
            told.append((answer.headers["retry-after"], answer.headers["ratelimit"]))
            service.clock.advance(1)
    assert told == [(f"{left}", f'"user";r=0;t={left}') for left in (60, 59, 58)]


def test_another_event_loop_of_the_same_thread_is_not_served_while_the_first_is_open() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    running = running_service()
    try:
        service = first.run_until_complete(running.__aenter__())
        for loop in (first, second, first):
            loop.run_until_complete(service.gb(http_scope("GET", "/health", {}), receive, send))
        first.run_until_complete(running.__aexit__(None, None, None))
    finally:
        first.close()
        second.close()
    assert [message["status"] for message in sent if "status" in message] == [200, 500, 200]


async def test_what_was_told_of_a_session_is_told_again_only_while_it_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generalbots_api.sessions.routes.MOST_TOLD", 2)
    async with running_service() as service:
        names = ["alice", "bob", "admin"]
        clients = [await service.bearer(name) for name in names]
        told = [[(await client.get("/api/session")).json() for client in clients] for _ in range(3)]
        assert told[0] == told[1] == told[2]
        assert len({session["user_id"] for session in told[0]}) == len(names)
        alice = clients[0]
        opened = await alice.post("/api/session/create", json={"bot_id": "echo"})
        assert (await alice.get("/api/session")).json() == {**told[0][0], "bot_id": "echo"}
        await alice.delete(f"/api/session/{opened.json()['session_id']}")
        assert (await alice.get("/api/session")).json()["bot_id"] is None
        other = await service.bearer("alice")
        again = [(await client.get("/api/session")).json()["session_id"] for client in (alice, other, alice)]
        assert again[0] == again[2] != again[1], "each login hears of itself"
        for client in (*clients, other):
            await client.aclose()
