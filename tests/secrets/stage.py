"""The stage: one service and its Directory behind Hypercorn, and ears on everything that is said."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import hypercorn
import hypercorn.asyncio
import msgspec
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.testing import ManualClock
from runner.access_log import with_access_log
from runner.logs import JsonFormatter, TextFormatter
from tests.secrets.bots import AngryBot
from tests.support.service import KEY, first_key

ISSUED = ("access_token", "refresh_token", "id_token")
SENT = ("code", "code_verifier", "client_secret", "refresh_token", "token")


@dataclass
class Overheard:
    """The secrets that the Directory hears and gives, by their kind. `lie` is its next answer to a path, once."""

    app: ASGIApp
    secrets: dict[str, set[str]] = field(default_factory=dict)
    lies: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def note(self, kind: str, value: str) -> None:
        self.secrets.setdefault(kind, set()).add(value)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, answer = bytearray(), bytearray()

        async def hear() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            answer.extend(message.get("body", b""))
            await send(message)

        for name, value in scope["headers"]:
            if name == b"authorization":
                self.note("credentials", value.decode().partition(" ")[2])
        lie = next((self.lies.pop(end) for end in list(self.lies) if scope["path"].endswith(end)), None)
        if lie is None:
            await self.app(scope, hear, say)
        else:
            while (await hear()).get("more_body"):
                pass
            echo = lie[1] + b" " + bytes(body) + b" " + b" ".join(value for _, value in scope["headers"])
            await say({"type": "http.response.start", "status": lie[0], "headers": [(b"content-type", b"text/html")]})
            await say({"type": "http.response.body", "body": echo})
        self._look(scope["path"], bytes(body), bytes(answer))

    def _look(self, path: str, body: bytes, answer: bytes) -> None:
        if not path.endswith(("/token", "/revoke")):
            return
        fields = parse_qs(body.decode())
        for name in SENT:
            for value in fields.get(name, ()):
                self.note("refresh_token" if name == "token" else name, value)
        try:
            given = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            return
        for name in ISSUED:
            if name in given:
                self.note(name, given[name])


class Ears(logging.Handler):
    """Every line at every level, in both forms of the runner."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.loggers: set[str] = set()
        self._forms = (TextFormatter(), JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name.partition(".")[0])
        self.lines.extend(form.format(record) for form in self._forms)


@contextmanager
def listening() -> Iterator[Ears]:
    """All loggers at DEBUG, also those that were made quiet."""
    ears, root = Ears(), logging.getLogger()
    known = [root, *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    levels = [(logger, logger.level) for logger in known]
    for logger in known:
        logger.setLevel(logging.DEBUG)
    root.addHandler(ears)
    try:
        yield ears
    finally:
        root.removeHandler(ears)
        for logger, level in levels:
            logger.setLevel(level)


@dataclass
class Stage:
    base: str
    gb: GeneralBots
    dev: DevDirectory
    directory: Overheard
    clock: ManualClock
    ears: Ears
    file: Path

    def stored(self) -> bytes:
        """Every byte of the storage's files."""
        return b"".join(path.read_bytes() for path in sorted(self.file.parent.iterdir()) if path.is_file())


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    clock, door = ManualClock(), socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen()  # who comes before the server waits
    base = f"http://127.0.0.1:{door.getsockname()[1]}"
    dev = DevDirectory(f"{base}/dev-directory", secret_keys=[KEY], clock=clock)
    dev._state.keys._keys = [first_key(type(dev._state.keys))]
    directory = ZitadelDirectory(
        dev.issuer, dev.client_id, dev.client_secret, project_id=dev.project_id, clock=clock, for_development=True
    )
    gb = GeneralBots(
        Settings(secret_keys=[KEY], limit_anonymous=1_000),
        storage=SqliteStorage(folder / "story.db"),
        directory=directory,
        bots=[EchoBot(), AngryBot()],
        clock=clock,
    )
    overheard = Overheard(dev)
    logged: ASGIApp = with_access_log(gb)
    app = Starlette(routes=[Mount("/dev-directory", app=overheard), Mount("/", app=logged)])
    config = hypercorn.Config()
    config.bind = [f"fd://{door.detach()}"]
    config.errorlog, config.loglevel = logging.getLogger("hypercorn.error"), "DEBUG"
    over = anyio.Event()
    with listening() as ears:
        async with gb.lifespan(), anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: hypercorn.asyncio.serve(app, config, shutdown_trigger=over.wait))  # type: ignore[arg-type] # Starlette's types of ASGI
            try:
                yield Stage(base, gb, dev, overheard, clock, ears, folder / "story.db")
            finally:
                over.set()
