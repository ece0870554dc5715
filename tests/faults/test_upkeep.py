"""What works behind the scenes, when what it works with fails in an unforeseen way."""

from __future__ import annotations

from datetime import datetime

import anyio
import pytest

from generalbots_api import upkeep
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.conversations import nodes
from tests.support.service import running_service

pytestmark = pytest.mark.anyio


async def test_a_bug_of_a_backend_does_not_end_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nodes, "BEAT", 0.001)
    monkeypatch.setattr(upkeep, "AGAIN_SECONDS", 0.001)
    storage, calls, again = MemoryStorage(), 0, anyio.Event()
    take = storage.leases.take

    async def failing(name: str, holder: str, now: datetime, until: datetime) -> bool:
        nonlocal calls
        calls += 1
        if 1 < calls < 4:
            raise ZeroDivisionError
        if calls == 6:
            again.set()
        return await take(name, holder, now, until)

    monkeypatch.setattr(storage.leases, "take", failing)
    async with running_service(storage=storage) as service, await service.bearer("alice") as alice:
        with anyio.fail_after(10):
            await again.wait()
        assert (await alice.get("/api/session")).status_code == 200
    assert [record.message for record in caplog.records].count("upkeep.failed") == 2
