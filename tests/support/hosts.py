"""Host applications for the tests of embedding: a service with its directory, browsers, and a lifespan by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from httpx2.websockets import ASGIWebSocketTransport, AsyncWebSocketClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.storage import Storage
from tests.support.service import BASE, KEY, first_key


def new_service(
    *, storage: Storage | None = None, bots: Sequence[Any] | None = None, **settings: Any
) -> tuple[GeneralBots, DevDirectory]:
    """Not started, and in no app yet."""
    dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=[KEY])
    dev._state.keys._keys = [first_key(type(dev._state.keys))]
    directory = ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        for_development=True,
    )
    gb = GeneralBots(
        Settings(secret_keys=[KEY], **settings),
        storage=storage or MemoryStorage(),
        directory=directory,
        bots=[EchoBot()] if bots is None else bots,
    )
    return gb, dev


def browser(app: ASGIApp, *, base: str = BASE, raises: bool = True, **options: Any) -> httpx2.AsyncClient:
    """`raises` False: an exception that leaves the app is a 500, as with a server."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=raises, root_path=options.pop("root_path", ""))
    return httpx2.AsyncClient(transport=transport, base_url=base, **options)


@dataclass
class LifespanByHand:
    """What a server does with the lifespan scope: `said` is what the app sent."""

    said: list[str] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[LifespanByHand]:
    """Run the lifespan of `app` as a server does: the body runs after the answer to the start-up."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    answered, hand = asyncio.Event(), LifespanByHand()

    async def send(message: Message) -> None:
        hand.said.append(message["type"])
        answered.set()

    async def run() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": hand.state}
        try:
            await app(scope, events.get, send)
        except Exception as error:  # noqa: BLE001 - for the test to look at
            hand.error = error
        finally:
            answered.set()

    task = asyncio.create_task(run())
    try:
        await answered.wait()
        yield hand
    finally:
        events.put_nowait({"type": "lifespan.shutdown"})
        async with asyncio.timeout(10):
            await task


def with_state(app: ASGIApp, state: Mapping[str, Any]) -> ASGIApp:
    """Give each request the state that the lifespan yielded, as servers do."""

    async def served_app(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return served_app


async def chat(app: ASGIApp, path: str, token: str, session: str, base: str = BASE) -> str:
    """The answer to "Hello" on a socket."""
    async with (
        httpx2.AsyncClient(transport=ASGIWebSocketTransport(app=app), base_url=base) as client,
        AsyncWebSocketClient(client, keepalive_ping_interval_seconds=None).connect(
            base.replace("http", "ws") + path, headers={"Authorization": f"Bearer {token}"}
        ) as socket,
    ):
        await socket.send_text(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
        return str(json.loads(await socket.receive_text())["content"])
