"""A chat in the terminal: replies are streamed, cuts are survived, and Ctrl-C stops a reply; once more, and it ends.

    make run                                                      in another terminal, then
    python -m examples.terminal_chat http://127.0.0.1:8080 --development-user alice

Elsewhere, put your session token into GB_TOKEN and leave the last option out. `--session ID` goes on with a
conversation, `--bot ID` chooses who answers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator
from functools import partial

import httpx2

from generalbots_api.client import (
    Client,
    ClientError,
    ConnectionChanged,
    Conversation,
    Event,
    NewMessage,
    ReplyDelta,
    ReplySnapshot,
    ReplyStarted,
    SessionUpdated,
)


class Screen:
    """Writes events down as they come; a reply that is replaced is only written anew where it differs."""

    def __init__(self) -> None:
        self.answering: str | None = None  # the reply that is being written
        self.stopping: asyncio.Task[None] | None = None  # it, as Ctrl-C wanted
        self._written = ""
        self._shown: set[str] = set()  # replies
        self._news = asyncio.Event()

    async def until_shown(self, reply_id: str | None) -> None:
        while reply_id is not None and reply_id not in self._shown:
            self._news.clear()
            await self._news.wait()

    def show(self, event: Event) -> None:
        match event:
            case ReplyStarted(reply_id):
                self.answering, self._written = reply_id, ""
            case ReplyDelta(_, _, content):
                self._write(self._written + content)
            case ReplySnapshot(_, _, content):
                self._write(content)
            case NewMessage(message) if message.sender == "bot":
                self._write(message.content)
                print("" if message.status == "completed" else f" [{message.status}]", flush=True)
                self.answering, self.stopping, self._written = None, None, ""
                self._shown.add(message.message_id)
                self._news.set()
            case NewMessage(message, mine=False):
                print(f"> {message.content}", flush=True)
            case ConnectionChanged(connected=False):
                print("[offline]", file=sys.stderr, flush=True)
            case SessionUpdated("ended", reason):
                print(f"[the conversation has ended: {reason}]", flush=True)

    def _write(self, whole: str) -> None:
        more = whole.removeprefix(self._written) if whole.startswith(self._written) else f"\n{whole}"
        print(more, end="", flush=True)
        self._written = whole


async def lines() -> AsyncIterator[str]:
    """Lines of the standard input, read by a thread that nobody waits for at the end."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the chat is over
            for line in sys.stdin:
                loop.call_soon_threadsafe(queue.put_nowait, line.rstrip("\n"))
            loop.call_soon_threadsafe(queue.put_nowait, "/quit")

    threading.Thread(target=read, daemon=True).start()
    while (line := await queue.get()) != "/quit":
        yield line


async def read_out(chat: Conversation, screen: Screen) -> None:
    async for event in chat:
        screen.show(event)


async def write(chat: Conversation, screen: Screen) -> None:
    """Until the end of the input, and of the reply to its last line."""
    last = None
    async for line in lines():
        if line:
            last = (await chat.send(line)).reply_id
    await screen.until_shown(last)


async def chat_with(client: Client, options: argparse.Namespace) -> None:
    session = options.session
    if session is None:
        bot = options.bot or next(bot.id for bot in await client.bots() if bot.status == "online")
        session = (await client.start_conversation(bot)).session_id
    screen = Screen()
    async with client.conversation(session, after_seq=0) as chat:
        tasks = [asyncio.create_task(read_out(chat, screen)), asyncio.create_task(write(chat, screen))]

        def interrupt() -> None:
            if screen.answering is None or screen.stopping is not None:
                for task in tasks:
                    task.cancel()
            else:
                screen.stopping = asyncio.create_task(chat.cancel())

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        print(f"[session {session}; Ctrl-C stops a reply, Ctrl-D ends]", file=sys.stderr, flush=True)
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        for task in done:
            if not task.cancelled():
                task.result()


async def development_login(base: str, username: str) -> str:
    """A session token by the page of the development directory, where the password is the name."""
    async with httpx2.AsyncClient(base_url=base, follow_redirects=True) as browser:
        page = await browser.get("/auth/login")
        form = re.search(r'name="form" value="([^"]+)"', page.text)
        action = re.search(r'action="([^"]+)"', page.text)
        if form is None or action is None:
            raise SystemExit("this is not the page of the development directory")
        fields = {"form": form[1], "username": username, "password": username}
        await browser.post(page.url.join(action[1]), data=fields)
        return next(cookie.value or "" for cookie in browser.cookies.jar if cookie.name.endswith("gb_session"))


async def main(options: argparse.Namespace) -> None:
    user, token = options.development_user, os.environ.get("GB_TOKEN")
    if user is None and token is None:
        raise SystemExit("put a session token into GB_TOKEN, or name a --development-user")
    log_in = partial(development_login, options.url, user) if user is not None else None
    async with Client(options.url, token=token, log_in=log_in) as client:
        await chat_with(client, options)


def run() -> None:
    parser = argparse.ArgumentParser(description="A chat in the terminal.")
    parser.add_argument("url", help="where the API is, as http://127.0.0.1:8080")
    parser.add_argument("--bot", help="the bot's id; by default the first that is online")
    parser.add_argument("--session", help="a conversation to go on with")
    parser.add_argument("--development-user", help="log in at the development directory, as admin, alice or bob")
    try:
        asyncio.run(main(parser.parse_args()))
    except (ClientError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from error


if __name__ == "__main__":
    run()
