"""Renewal of the metadata: once for all who ask, behind the scenes, and while the provider is down."""

from __future__ import annotations

import anyio
import httpx2
import pytest

from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.errors import Unavailable
from tests.backends.oidc_forge import ISSUER, TinyOp

pytestmark = pytest.mark.anyio

DISCOVERY = "/.well-known/openid-configuration"
HOUR, DAY = 3_600, 86_400


async def begin(op: TinyOp, directory: OidcDirectory) -> str:
    return await directory.authorization_url(op.pending(), "the state")


async def test_metadata_is_kept_for_an_hour() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR - 1)
        await begin(op, directory)
        assert op.calls[DISCOVERY] == 1


async def test_old_metadata_is_renewed_behind_the_scenes() -> None:
    op, asked, go_on = TinyOp(), anyio.Event(), anyio.Event()

    async def slow(_: httpx2.Request) -> httpx2.Response:
        asked.set()
        await go_on.wait()
        return op._good(DISCOVERY)

    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR)
        op.bent[DISCOVERY] = slow
        op.metadata["authorization_endpoint"] = f"{ISSUER}/new"
        urls = [await begin(op, directory) for _ in range(3)]
        await asked.wait()
        urls.append(await begin(op, directory))
        go_on.set()
        await anyio.wait_all_tasks_blocked()
        assert all(url.startswith(f"{ISSUER}/authorize") for url in urls)
        assert (await begin(op, directory)).startswith(f"{ISSUER}/new")
    assert op.calls[DISCOVERY] == 2


async def test_closing_the_directory_ends_what_goes_on_behind_the_scenes() -> None:
    op, asked = TinyOp(), anyio.Event()

    async def never(_: httpx2.Request) -> httpx2.Response:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR)
        op.bent[DISCOVERY] = never
        await begin(op, directory)
        await asked.wait()


@pytest.mark.parametrize("fault", ["down", "another issuer"])
async def test_the_last_good_metadata_serves_what_is_under_way_but_nobody_is_sent_there(fault: str) -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        if fault == "down":
            op.bent[DISCOVERY] = httpx2.Response(404)
        else:
            op.metadata["issuer"] = "https://elsewhere.example"
        op.clock.advance(HOUR)
        await directory.refresh(grant, op.clock.now())
        await anyio.wait_all_tasks_blocked()
        assert op.calls[DISCOVERY] == 2
        await directory.refresh(grant, op.clock.now())
        with pytest.raises(Unavailable):
            await begin(op, directory)
        op.clock.advance(DAY * 30)
        await directory.refresh(grant, op.clock.now())
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Unavailable):
            await begin(op, directory)
        op.bent.clear()
        op.metadata.clear()
        op.clock.advance(10)
        assert await begin(op, directory)


async def test_many_logins_at_once_fetch_the_metadata_once_and_share_what_comes_of_it() -> None:
    for is_down in (False, True):
        op, outcomes = TinyOp(), list[str]()
        if is_down:
            op.metadata["issuer"] = "https://elsewhere.example"
        answer = op._good(DISCOVERY)

        async def slow(_: httpx2.Request, answer: httpx2.Response = answer) -> httpx2.Response:
            await anyio.wait_all_tasks_blocked()
            return answer

        op.bent[DISCOVERY] = slow
        async with op.directory() as directory, anyio.create_task_group() as tasks:

            async def one(
                op: TinyOp = op, directory: OidcDirectory = directory, outcomes: list[str] = outcomes
            ) -> None:
                try:
                    await begin(op, directory)
                    outcomes.append("sent")
                except Unavailable:
                    outcomes.append("unavailable")

            for _ in range(20):
                tasks.start_soon(one)
        assert outcomes == ["unavailable" if is_down else "sent"] * 20
        assert op.calls[DISCOVERY] == 1


async def test_a_caller_that_goes_away_does_not_spoil_the_fetch_for_those_who_wait() -> None:
    op, begun = TinyOp(), anyio.Event()

    async def hangs_once(_: httpx2.Request) -> httpx2.Response:
        if op.calls[DISCOVERY] == 1:
            begun.set()
            await anyio.sleep_forever()
        return op._good(DISCOVERY)

    op.bent[DISCOVERY] = hangs_once
    async with op.directory() as directory, anyio.create_task_group() as tasks:
        first = anyio.CancelScope()

        async def goes_away() -> None:
            with first:
                await begin(op, directory)

        tasks.start_soon(goes_away)
        await begun.wait()
        tasks.start_soon(begin, op, directory)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
    assert op.calls[DISCOVERY] == 2
