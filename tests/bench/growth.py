"""P11: what a small service and one that has grown for years answer, by the same requests in process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from generalbots_api import GeneralBots
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import BotId, BotSessionId, UserId
from generalbots_api.sessions.model import BotSession
from generalbots_api.testing import ManualClock
from tests.bench.apps import PLENTY, add_login, new_scope, running
from tests.bench.table import Row
from tests.support.service import BASE, KEY, running_service

USER = UserId(f"2{0:017}")  # of `add_login`
SESSION = BotSessionId("growth")
DEV_ISSUER = f"{BASE}/dev-directory"
FEW_GROUPS, MANY_GROUPS = 30, 10_000
IN_SESSION = 1_000  # messages of the conversation that is read


Ask = Callable[[], Awaitable[None]]


async def rows(quick: bool) -> list[Row]:
    many = 100_000 if quick else 1_000_000
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        small = await _asks(stack, folder / "small.db", IN_SESSION)
        large = await _asks(stack, folder / "large.db", many)
        rounds = 30 if quick else 100
        costs = await _interleaved(small, large, rounds)
        few, more = await _groups(stack, folder, FEW_GROUPS), await _groups(stack, folder, MANY_GROUPS)
        of_groups = await _interleaved(few, more, rounds)
    return [
        *(_row(f"{what}, {many:,} messages in all", f"{IN_SESSION:,} messages", costs[what]) for what in costs),
        *(_row(f"{what} of {MANY_GROUPS:,} groups", f"{FEW_GROUPS} groups", of_groups[what]) for what in of_groups),
    ]


def _row(what: str, other_name: str, cost: tuple[float, float]) -> Row:
    few, many = cost
    return Row(goal="P11", what=what, ours=many, other=few, unit="ms", other_name=other_name, most=1.5)


async def _groups(stack: AsyncExitStack, folder: Path, count: int) -> dict[str, Ask]:
    """The first page of an admin, through the client of Zitadel to the development directory."""
    people = folder / f"people-{count}.toml"
    groups = "".join(f'[[groups]]\nname = "Group {number:05}"\n' for number in range(count))
    people.write_text(f'[[users]]\nusername = "admin"\nroles = ["admin"]\n{groups}', encoding="utf-8")
    clock = ManualClock()
    dev = DevDirectory(DEV_ISSUER, secret_keys=[KEY], clock=clock, users_file=people)
    service = await stack.enter_async_context(running_service(clock=clock, dev=dev, settings={"limit_admin": PLENTY}))
    header = (b"authorization", f"Bearer {await service.token('admin')}".encode())
    return {"the first page": reading(service.gb, header, "/api/groups/list?limit=20")}


async def _asks(stack: AsyncExitStack, path: Path, messages: int) -> dict[str, Ask]:
    storage = SqliteStorage(path)
    gb, _ = await stack.enter_async_context(running(storage))
    header = (b"authorization", f"Bearer {await add_login(storage)}".encode())
    now = datetime.now(UTC)
    session = BotSession(
        id=SESSION, user_id=USER, bot_id=BotId("echo"), created_at=now, expires_at=now + timedelta(days=1)
    )
    await storage.bot_sessions.open(session, 100)
    await fill(storage, messages)
    history = f"/api/conversations/{SESSION}/history"
    return {
        "the last page of 50 of a history": reading(gb, header, f"{history}?limit=50"),
        "a page of 50 in the middle": reading(gb, header, f"{history}?limit=50&after=500"),
        "the list of conversations": reading(gb, header, "/api/conversations?limit=50"),
        "a batch of 50 pages": batch(gb, header, history),
    }


async def _interleaved(small: dict[str, Ask], large: dict[str, Ask], rounds: int) -> dict[str, tuple[float, float]]:
    """ms, medians of rounds in turn: what disturbs the machine disturbs both."""
    costs: dict[str, tuple[list[float], list[float]]] = {what: ([], []) for what in small}
    for _ in range(rounds):
        for what, found in costs.items():
            for ask, times in zip((small[what], large[what]), found, strict=True):
                started = time.perf_counter()
                await ask()
                times.append((time.perf_counter() - started) * 1_000)
    return {what: (statistics.median(few), statistics.median(many)) for what, (few, many) in costs.items()}


async def fill(storage: SqliteStorage, messages: int) -> None:
    """One conversation of 1,000 messages, and the rest in others of 1,000 as well."""
    now = int(time.time() * 1_000_000)
    columns = "seq, message_id, sender, content, timestamp, status, user_id, conversation, is_answered"
    sql = f"INSERT INTO messages ({columns}) VALUES (?, ?, 'user', ?, ?, 'completed', 'someone', ?, 1)"  # noqa: S608

    for number in range(messages // IN_SESSION):
        name = SESSION if number == 0 else f"other-{number}"

        def add(connection: Any, name: str = name) -> None:
            cursor = connection.execute(
                "INSERT INTO conversations (session_id, seq, last_at) VALUES (?, ?, ?)", (name, IN_SESSION, now)
            )
            log = cursor.lastrowid
            values = [(seq, f"{log}.{seq}", "Hello " * 10, now, log) for seq in range(1, IN_SESSION + 1)]
            connection.executemany(sql, values)

        await storage._database.write(add)


def reading(gb: GeneralBots, header: tuple[bytes, bytes], path: str) -> Ask:
    path, _, query = path.partition("?")

    async def ask() -> None:
        scope = {**new_scope(header), "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        await _call(gb, scope, b"")

    return ask


def batch(gb: GeneralBots, header: tuple[bytes, bytes], history: str) -> Ask:
    operations = [
        {"id": str(number), "method": "GET", "path": f"{history}?limit=10&after={number * 10}"} for number in range(50)
    ]
    body = msgspec.json.encode({"operations": operations})

    async def ask() -> None:
        scope = new_scope(header, (b"content-type", b"application/json"))
        await _call(gb, {**scope, "method": "POST", "path": "/api/batch", "raw_path": b"/api/batch"}, body)

    return ask


async def _call(gb: GeneralBots, scope: dict[str, Any], body: bytes) -> None:
    """Raises RuntimeError unless it is answered by 200 and more than an empty list."""
    size = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal size
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"answered {message['status']}")
        size += len(message.get("body", b""))

    await gb(scope, receive, send)
    if size < 200:
        raise RuntimeError(f"an answer of {size} bytes")
