"""What the service stands on is gone, hangs, and comes back; the service itself is never restarted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from redis import Redis

from tests.backends.postgres.proxy import Proxy as PostgresProxy
from tests.backends.postgres.proxy import proxy_to
from tests.backends.redis.proxy import Illness, open_proxy
from tests.faults.stage import OPTIONS, PATIENCE, Person, new_database, people_at
from tests.faults.table import Table, forms
from tests.proof.served import no_authorities
from tests.support import postgres, redis
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]
DATABASE = 12  # the runner's keys have their usual names, so they are kept apart
REDIS_BOUND, REDIS_BACK, POSTGRES_BOUND = 0.25, 5, 3  # seconds. Source: issue 6
OVERHEAD = 0.1  # seconds of a request itself


@pytest.fixture
def redis_database() -> Iterator[str]:
    redis.needs_server()
    url = urlsplit(redis.URL)._replace(path=f"/{DATABASE}").geturl()
    with Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@asynccontextmanager
async def started(folder: Path, *arguments: str) -> AsyncIterator[Runner]:
    """Off the event loop, in which the ways to the servers live."""
    context = running_runner(*OPTIONS, *arguments, folder=folder)
    runner = await asyncio.to_thread(context.__enter__)
    try:
        yield runner
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def timed(call: Callable[[], Awaitable[httpx2.Response]], count: int) -> tuple[Counter[int], float]:
    """So many at once: the statuses, and the seconds of the slowest."""

    async def one() -> tuple[int, float]:
        began = time.monotonic()
        status = (await call()).status_code
        return status, time.monotonic() - began

    results = await asyncio.gather(*(one() for _ in range(count)))
    return Counter(status for status, _ in results), max(seconds for _, seconds in results)


async def until(holds: Callable[[], Awaitable[bool]]) -> float:
    """The seconds until it holds."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    return time.monotonic() - began


@forms(short=["hangs"], full=["refuses", "hangs", "garbage"])
async def test_redis_is_away(redis_database: str, tmp_path: Path, size: list[Illness], table: Table) -> None:
    """For limits and news both; the policy is `local`."""
    async with open_proxy() as way:
        url = f"redis://127.0.0.1:{way.port}/{DATABASE}"
        shared = ("--limiter", url, "--bus", url, "--limiter-failure", "local")
        async with started(tmp_path, *shared) as runner, people_at(runner.base, 1) as [person]:

            async def session() -> httpx2.Response:
                return await person.http.get("/api/session")

            for illness in size:
                await way.fall_ill(illness)
                first = await timed(session, 1)
                later = await timed(session, 30)
                await person.say(f"while-{illness}")
                await way.recover()
                asked = way.commands["EVALSHA"]

                async def is_counting(asked: int = asked) -> bool:
                    return (await session()).status_code == 200 and way.commands["EVALSHA"] > asked

                back = await until(is_counting)
                assert first[0] + later[0] == Counter({200: 31})
                slowest = max(first[1], later[1])
                table.note_time(f"Redis {illness}: the slowest of 31 requests", slowest, REDIS_BOUND + OVERHEAD)
                table.note_time(f"Redis {illness}: counting again after it is back", back, REDIS_BACK)
            person.check(await person.answered())


@forms(short=1, full=5)
async def test_postgresql_is_away(tmp_path: Path, size: int, table: Table) -> None:
    postgres.needs_server()
    with new_database() as dsn:
        async with proxy_to(dsn) as way:
            through = f"postgresql://root@127.0.0.1:{way.port}/{urlsplit(dsn).path[1:]}?sslmode=disable"
            async with started(tmp_path, "--storage", through) as runner, people_at(runner.base, 4) as people:
                person = people[0]

                async def history() -> httpx2.Response:
                    return await person.http.get(f"/api/conversations/{person.session}/history")

                async def is_back() -> bool:
                    return await person.try_to_say("back") == 202

                for turn in range(size):
                    await restarts_cost_what_was_in_flight(way, people, turn)
                way.hang()
                statuses, slowest = await timed(history, 30)
                assert statuses == Counter({503: 30})
                async with http_at(runner.base) as stranger:
                    health, fastest = await timed(lambda: stranger.get("/health"), 1)
                assert health == Counter({200: 1})
                way.flow()
                back = await until(is_back)
                for one in people:
                    one.check(await one.answered())
            table.note_time("PostgreSQL hangs: the slowest 503 of 30", slowest, POSTGRES_BOUND)
            table.note_time("PostgreSQL hangs: /health meanwhile", fastest, POSTGRES_BOUND)
            table.note_time("PostgreSQL hangs: a message stored after it is back", back, REDIS_BACK)
            kept, refused = sum(len(one.told) for one in people), sum(one.refused for one in people)
            figure = f"{size} restarts, {kept} acknowledged, {refused} tries refused, 0 lost"
            table.note("PostgreSQL restarted", figure, "0 lost", holds=True)


@pytest.mark.long  # the drain waits for the storage
@pytest.mark.parametrize("how", ["hangs", "refuses"])
async def test_a_runner_whose_postgresql_is_away_ends_in_order(tmp_path: Path, how: str, table: Table) -> None:
    postgres.needs_server()
    with new_database() as dsn:
        async with proxy_to(dsn) as way:
            through = f"postgresql://root@127.0.0.1:{way.port}/{urlsplit(dsn).path[1:]}?sslmode=disable"
            async with started(tmp_path, "--storage", through) as runner, people_at(runner.base, 1):
                way.hang() if how == "hangs" else way.stop()
                code = await asyncio.to_thread(runner.end)
    assert [line for line in runner.errors if "Traceback" in line] == []
    table.note(f"SIGTERM while PostgreSQL {how}", f"exit code {code}", "0", holds=code == 0)


async def restarts_cost_what_was_in_flight(way: PostgresProxy, people: list[Person], turn: int) -> None:
    """All that is said meanwhile is said again until it is stored."""
    async with asyncio.TaskGroup() as tasks:
        for one in people:
            for number in range(10):
                tasks.create_task(one.say(f"{turn}.{number}"))
        await asyncio.sleep(0)
        way.stop()
        await asyncio.sleep(0.1)
        await way.start()


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says a word."""
    ending = asyncio.Event()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ending.wait()
        writer.transport.abort()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        ending.set()


@pytest.mark.long  # it waits for time-outs; tests/directory_down has the same without waiting
async def test_the_directory_hangs(tmp_path: Path, table: Table) -> None:
    size = 60
    async with black_hole() as port:
        oidc = ("--directory", "oidc", "--issuer", f"https://127.0.0.1:{port}", "--client-id", "x")
        async with started(tmp_path, *oidc, "--client-secret", "x") as runner, http_at(runner.base) as http:
            logins = asyncio.create_task(timed(lambda: http.get("/auth/login"), size))
            health, slowest = Counter[int](), 0.0
            while not logins.done():
                statuses, seconds = await timed(lambda: http.get("/health"), 5)
                health, slowest = health + statuses, max(slowest, seconds)
                await asyncio.sleep(0.05)
            statuses, login = await logins
    assert set(statuses) <= {502, 503}
    assert set(health) == {200}
    table.note_time(f"Directory hangs: the slowest 503 of {size} logins", login, 15)
    table.note_time("Directory hangs: the slowest /health meanwhile", slowest, 0.5)


@asynccontextmanager
async def http_at(base: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=base, verify=no_authorities(), timeout=PATIENCE) as http:
        yield http
