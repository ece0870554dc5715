"""A service on a real port with a puppet bot, in a thread beside the browser's, that can be ended and started anew."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import BrowserContext

from generalbots_api import Bot, GeneralBots, Piece, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from runner.server import ServerOptions, serve_until
from runner.wiring import DEV_PATH, with_dev_directory
from tests.support.puppet import Puppet
from tests.support.service import KEY, first_key, log_in

Json = dict[str, Any]
DRAIN_GRACE = 0.2  # seconds for goodbyes; a puppet's reply does not end by itself


@dataclass
class Stage:
    """The log is a file, and outlives a restart; so does the directory."""

    portal: BlockingPortal
    path: Path
    dev: DevDirectory
    listener: socket.socket
    base: str
    settings: Json
    puppet: Puppet = field(default_factory=Puppet)
    bot: Bot | None = None  # instead of the puppet
    _clients: list[httpx2.AsyncClient] = field(default_factory=list)
    _stop: anyio.Event | None = None
    _served: Future[None] | None = None

    def start(self) -> None:
        served, _ = self.portal.start_task(self._serve)
        self._served = served

    def end(self) -> None:
        """As a process ends that is told to: it says goodbye."""
        if self._served is not None and self._stop is not None:
            self.portal.call(self._stop.set)
            self._served.result(20)
            self._served = None

    def close(self) -> None:
        for client in self._clients:
            self.portal.call(client.aclose)
        self.end()

    def say(self, *pieces: Piece) -> None:
        self.portal.call(self.puppet.say, *pieces)

    def finish(self, *pieces: Piece) -> None:
        """The last pieces of the turn that began last."""
        self.say(*pieces)
        self.portal.call(self.puppet.end)

    def began(self, count: int = 1) -> None:
        self.portal.call(self.puppet.began, count)

    def enter(self, context: BrowserContext, username: str = "alice") -> httpx2.AsyncClient:
        """Log in, give the browser the cookie, and return a client that has it too."""
        client: httpx2.AsyncClient = self.portal.call(self._log_in, username)
        context.add_cookies(
            [{"name": one.name, "value": one.value or "", "url": self.base} for one in client.cookies.jar]
        )
        return client

    def call(self, client: httpx2.AsyncClient, method: str, path: str, **options: Any) -> Json:
        async def call() -> Json:
            answer = await client.request(method, path, **options)
            assert answer.is_success, answer.text
            body: Json = answer.json()
            return body

        return self.portal.call(call)

    async def _log_in(self, username: str) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(base_url=self.base)
        self._clients.append(client)
        answer = await log_in(client, username)
        assert answer.status_code == 303, answer.text
        return client

    async def _serve(self, *, task_status: TaskStatus[None]) -> None:
        self._stop = stop = anyio.Event()
        gb = GeneralBots(
            Settings(**{"secret_keys": [KEY], **self.settings}),
            storage=SqliteStorage(self.path),
            directory=ZitadelDirectory(
                self.dev.issuer,
                self.dev.client_id,
                self.dev.client_secret,
                project_id=self.dev.project_id,
                transport=self.dev.transport(),
                for_development=True,
            ),
            bots=[self.bot or self.puppet],
        )

        async def until_told() -> None:
            task_status.started()
            await stop.wait()
            await gb.drain(DRAIN_GRACE)

        async with gb.lifespan():
            descriptor = self.listener.dup().detach()
            app = with_dev_directory(gb, self.dev)
            await serve_until(until_told, app, descriptor, ServerOptions(graceful_timeout=DRAIN_GRACE))


@contextmanager
def raised_stage(folder: Path, *, bot: Bot | None = None, **settings: Any) -> Iterator[Stage]:
    with socket.create_server(("127.0.0.1", 0)) as listener, start_blocking_portal() as portal:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        dev = DevDirectory(base + DEV_PATH, secret_keys=[KEY])
        dev._state.keys._keys = [first_key(type(dev._state.keys))]  # type: ignore[arg-type] # a class is hashable
        stage = Stage(portal, folder / "chat.db", dev, listener, base, settings, bot=bot)
        stage.start()
        try:
            yield stage
        finally:
            stage.close()
