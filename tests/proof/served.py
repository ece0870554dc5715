"""The real runner with the talker, on SQLite, and its users."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import httpx2

from generalbots_api.client import Client, Message
from tests.support.service import log_in, session_token

OPTIONS = (
    *("--bots", "tests.proof.talker:Talker"),
    *("--limit-user", "100000000", "--limit-anonymous", "100000000"),
    *("--sockets-per-user", "5000", "--bot-sessions-per-user", "100000"),
    *("--frames-per-second", "100000", "--frame-burst", "100000"),
)


def storage(folder: Path) -> Sequence[str]:
    return ("--storage", f"sqlite:///{folder}/proof.db")


async def token_at(base: str, username: str) -> str:
    async with httpx2.AsyncClient(base_url=base) as client:
        await log_in(client, username)
        return session_token(client)


async def short_wait(seconds: float) -> None:
    """The client's back-off, for tests that are in a hurry."""
    await asyncio.sleep(min(seconds, 0.01))


@cache
def no_authorities() -> ssl.SSLContext:
    """Made once: reading the system's certificates takes longer than a conversation."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def client_at(port: int, token: str, **options: bool) -> AsyncIterator[Client]:
    """Each request has a connection of its own, as each is to have a fate of its own."""
    keep = 20 if options.get("keep_alive") else 0
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=keep), verify=no_authorities())
    async with http, Client(f"http://127.0.0.1:{port}", token=token, http=http, sleep=short_wait) as client:
        yield client


async def whole_log(client: Client, session: str) -> list[Message]:
    messages: list[Message] = []
    while True:
        page = await client.history(session, after=len(messages), limit=100)
        messages += page.messages
        if not page.has_more:
            return messages
