"""A real runner on SQLite, killed in the middle of replies and started again: the conversation is whole."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from examples.terminal_chat import development_login
from generalbots_api.client import Backoff, Client, Conversation, Message, NewMessage, ReplyDelta
from tests.client.socket_server import messages
from tests.support.process import Runner, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]
BOTS = '''
import anyio
from generalbots_api import BotInfo

class Half:
    """Answers; to "wait" it never comes to an end."""
    info = BotInfo("half", "Half")

    async def reply(self, turn):
        yield "You said "
        yield turn.message.content
        if turn.message.content == "wait":
            await anyio.sleep_forever()
'''


class Server:
    """A runner that can be killed and started again, always at one address and in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "halfbots.py").write_text(BOTS, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.stack = ExitStack()
        self.runner: Runner | None = None

    def _start(self) -> Runner:
        arguments = ("--bots", "halfbots:Half", "--bind", f"127.0.0.1:{self.port}")
        return self.stack.enter_context(running_runner(*arguments, folder=self.folder))

    async def start(self) -> None:
        self.runner = await anyio.to_thread.run_sync(self._start)

    async def kill(self) -> None:
        assert self.runner is not None
        self.runner.process.send_signal(signal.SIGKILL)
        await anyio.to_thread.run_sync(self.stack.close)


@asynccontextmanager
async def conversation(server: Server) -> AsyncIterator[Conversation]:
    base = f"http://127.0.0.1:{server.port}"
    again = Backoff(first=0.05, longest=0.2)
    async with Client(base, log_in=partial(development_login, base, "alice"), backoff=again) as client:
        started = await client.start_conversation("half")
        async with client.conversation(started.session_id, after_seq=0) as chat:
            yield chat


async def until_said(chat: Conversation, text: str) -> None:
    said = ""
    while text not in said:
        event = await anext(chat)
        said += event.content if isinstance(event, ReplyDelta) else ""


async def test_killed_in_a_reply_and_started_again(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.start()
    try:
        async with conversation(server) as chat:
            await chat.send("Hello")
            assert await messages(chat, 2) == ["Hello", "You said Hello"]
            await chat.send("wait")
            await until_said(chat, "wait")
            await server.kill()
            sends = [asyncio.create_task(chat.send(f"text {number}")) for number in range(3)]
            await server.start()
            assert [(await one).duplicate for one in sends] == [False] * 3
            found: list[Message] = []
            while len(found) < 7:
                event = await anext(chat)
                if isinstance(event, NewMessage):
                    found.append(event.message)
    finally:
        await anyio.to_thread.run_sync(server.stack.close)
    assert [one.seq for one in found] == list(range(found[0].seq, found[0].seq + 7))
    assert sorted(one.content for one in found if one.sender == "user") == [f"text {number}" for number in range(3)]
    assert [one.status for one in found if one.sender == "bot"].count("interrupted") == 1
