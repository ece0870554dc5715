"""A real server whose bots never end: it answers meanwhile, and ends when it is told to."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest
from websockets.asyncio.client import connect

from tests.bots.for_ever import NAMES
from tests.support.process import END_TIMEOUT, running_runner
from tests.support.service import log_in, session_token

pytestmark = [pytest.mark.anyio, pytest.mark.server]


async def test_a_server_whose_bots_never_end_answers_and_ends_by_a_signal(tmp_path: Path) -> None:
    options = ["--storage", "memory://", "--bots", "tests.bots.for_ever:BOTS", "--turn-grace", "0.1"]
    with running_runner(*options, folder=tmp_path) as runner:
        async with httpx2.AsyncClient(base_url=runner.base) as client, AsyncExitStack() as stack:
            await log_in(client, "alice")
            headers = {"Authorization": f"Bearer {session_token(client)}"}
            address = f"{runner.base.replace('http', 'ws', 1)}/ws"
            for name in NAMES:
                opened = await client.post("/api/session/create", json={"bot_id": name}, headers=headers)
                session = opened.json()["session_id"]
                socket = await stack.enter_async_context(connect(address, additional_headers=headers))
                await socket.send(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
                with anyio.fail_after(END_TIMEOUT):
                    while not (await client.get(f"/api/conversations/{session}/history")).json()["messages"]:
                        await anyio.lowlevel.checkpoint()
            assert (await client.get("/health")).status_code == 200
            assert await anyio.to_thread.run_sync(runner.end) == 0
    said = "".join(runner.errors)
    assert "Traceback" not in said
    assert said.count("task.abandoned") == 2
