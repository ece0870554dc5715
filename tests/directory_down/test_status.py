"""What the administrator is told of a Directory that fails, and that telling it costs no call."""

from __future__ import annotations

import pytest
from httpx2 import AsyncClient as Client

from tests.directory_down.ailing import Ward, ward

pytestmark = pytest.mark.anyio


async def directory_of(admin: Client) -> tuple[str, str, str]:
    status = (await admin.get("/api/admin/system/status")).json()
    found = next(one for one in status["components"] if one["name"] == "directory")
    return status["status"], found["status"], found["message"]


async def fail(beds: Ward, alice: Client) -> None:
    """Until the circuit is open."""
    for _ in range(2):
        assert (await alice.get("/api/users/me")).status_code == 503


async def test_the_status_shows_the_open_circuit_without_a_call_and_the_try_that_closes_it() -> None:
    async with ward() as beds, await beds.service.bearer("admin") as admin, await beds.service.bearer("alice") as alice:
        assert await directory_of(admin) == ("healthy", "up", "answers")
        beds.directory.illness = "refuses"
        await fail(beds, alice)
        calls = beds.directory.calls
        assert await directory_of(admin) == ("degraded", "down", "circuit open, next try in 10 s")
        beds.service.clock.advance(3)
        assert await directory_of(admin) == ("degraded", "down", "circuit open, next try in 7 s")
        assert beds.directory.calls == calls
        beds.service.clock.advance(7)
        assert await directory_of(admin) == ("degraded", "down", "The Directory Service cannot be reached")
        assert beds.directory.calls == calls + 1
        beds.recover()
        assert await directory_of(admin) == ("healthy", "up", "answers")


async def test_a_request_that_is_refused_meanwhile_says_how_long_that_lasts() -> None:
    async with ward() as beds, await beds.service.bearer("alice") as alice:
        beds.directory.illness = "500"
        await fail(beds, alice)
        calls = beds.directory.calls
        beds.service.clock.advance(4)
        for path in ("/api/users/me", "/api/groups/list", "/auth/login"):
            answer = await alice.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "6"), path
        assert beds.directory.calls == calls
