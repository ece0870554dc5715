"""Replies that are under way when a signal comes: finished within the grace, or stored as interrupted."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.process import END_TIMEOUT, running_runner
from tests.support.service import log_in, session_token

pytestmark = [pytest.mark.anyio, pytest.mark.server]
BOT = """
import anyio
from pathlib import Path
from generalbots_api import BotInfo

class Slow:
    info = BotInfo("slow", "Slow")

    async def reply(self, turn, /):
        yield "The first half"
        while not Path("go").exists():
            await anyio.sleep(0.02)
        yield " and the second."
"""


async def last_message(folder: Path, headers: dict[str, str], session: str) -> dict[str, Any]:
    """As the next process finds it."""
    with running_runner("--bots", "slow:Slow", folder=folder) as runner:
        async with httpx2.AsyncClient(base_url=runner.base, headers=headers) as client:
            history = (await client.get(f"/api/conversations/{session}/history")).json()
    message: dict[str, Any] = history["messages"][-1]
    return message


@pytest.mark.parametrize(
    ("grace", "status", "content"),
    [("600", "completed", "The first half and the second."), ("0.2", "interrupted", "The first half")],
)
async def test_a_reply_has_the_grace_to_end(tmp_path: Path, grace: str, status: str, content: str) -> None:
    (tmp_path / "slow.py").write_text(BOT)
    with running_runner("--bots", "slow:Slow", "--graceful-timeout", grace, folder=tmp_path) as runner:
        async with httpx2.AsyncClient(base_url=runner.base) as client:
            await log_in(client, "alice")
            headers = {"Authorization": f"Bearer {session_token(client)}"}
            session = (await client.post("/api/session/create", json={"bot_id": "slow"})).json()["session_id"]
        url = runner.base.replace("http", "ws") + "/ws"
        async with connect(url, additional_headers=headers, subprotocols=["gb.v1"]) as chat:  # type: ignore[list-item]
            await chat.send(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
            while json.loads(await chat.recv())["type"] != "message.delta":
                pass
            runner.process.send_signal(signal.SIGTERM)
            while json.loads(await chat.recv())["type"] != "goodbye":
                pass
            with pytest.raises(ConnectionClosed) as closed:
                await chat.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        if status == "completed":
            (tmp_path / "go").touch()
        assert runner.process.wait(END_TIMEOUT) == 0
    message = await last_message(tmp_path, headers, session)
    assert (message["status"], message["content"]) == (status, content)
