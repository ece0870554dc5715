"""The apps whose chat is measured: ours with many logins and sessions, and bare echoes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import socketio  # type: ignore[import-untyped] # it has no types
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from generalbots_api import BotInfo, EchoBot, GeneralBots, Piece, Turn
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.backends.redis import RedisBus, RedisLimiter
from generalbots_api.backends.sqlite import SqliteStorage
from generalbots_api.ids import BotId, BotSessionId, LoginId, UserId
from generalbots_api.sessions.model import BotSession
from generalbots_api.storage import Storage
from tests.bench.apps import PLENTY, a_login, new_service
from tests.bench.ws_load import session_of, token_of
from tests.support import postgres, redis

USERS = int(os.environ.get("BENCH_USERS", "200"))


def new_storage() -> Storage:
    match os.environ.get("BENCH_STORAGE"):
        case "memory":
            return MemoryStorage()
        case "postgres":
            return PostgresStorage(postgres.DSN, schema=os.environ["BENCH_SCHEMA"])
    return SqliteStorage(os.environ["BENCH_DATABASE"])


def shared_parts() -> dict[str, Any]:
    """What several nodes share, where they share something."""
    prefix = os.environ.get("BENCH_PREFIX")
    if prefix is None:
        return {}
    return {"limiter": RedisLimiter(redis.URL, prefix), "bus": RedisBus(redis.URL, prefix)}


async def add_users(storage: Storage) -> None:
    """Each with a login and a bot session, by the numbers that the load knows."""
    now = datetime.now(UTC)
    if await storage.logins.get(LoginId("login-0")) is not None:
        return  # another node has
    for number in range(USERS):
        user_id = UserId(f"user-{number}")
        await storage.logins.open(a_login(f"login-{number}", token_of(number), user_id), 20)
        await storage.bot_sessions.open(
            BotSession(
                id=BotSessionId(session_of(number)),
                user_id=user_id,
                bot_id=BotId(os.environ.get("BENCH_BOT", "echo")),
                created_at=now,
                expires_at=now + timedelta(days=1),
            ),
            100,
        )


class Mute:
    """Never answers: what is measured is the question."""

    info = BotInfo("mute", "Mute")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        await anyio.sleep_forever()
        yield ""


def new_chat(storage: Storage) -> GeneralBots:
    bounds = dict.fromkeys(("frames_per_second", "frame_burst", "max_sockets", "sockets_per_user"), PLENTY)
    return new_service(storage, bots=[EchoBot(), Mute()], parts=shared_parts(), **bounds)


class Ours:
    """Made at its first use, as the module is imported for the other apps too."""

    def __init__(self) -> None:
        self._gb: GeneralBots | None = None
        self._host = Starlette(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._host(scope, receive, send)
        elif self._gb is not None:
            await self._gb(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: object) -> AsyncIterator[None]:
        storage = new_storage()
        self._gb = new_chat(storage)
        async with self._gb.lifespan():
            await add_users(storage)
            yield


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            heard = await socket.receive_json()
            await socket.send_json({"type": "message", "content": heard["content"]})
    except WebSocketDisconnect:
        return


async def crowd(socket: WebSocket) -> None:
    """Whatever one says is sent to all the others, one after another."""
    await socket.accept()
    everybody.add(socket)
    try:
        while True:
            heard = await socket.receive_json()
            if heard["type"] == "message":
                for other in everybody - {socket}:
                    await other.send_json({"type": "message", "content": heard["content"]})
    except WebSocketDisconnect:
        everybody.discard(socket)


everybody: set[WebSocket] = set()
broadcast = Starlette(routes=[WebSocketRoute("/ws", crowd)])
ours = Ours()
starlette = Starlette(routes=[WebSocketRoute("/ws", echo)])
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[], logger=False)


@server.event  # type: ignore[untyped-decorator] # as above
async def message(sid: str, heard: dict[str, Any]) -> None:
    await server.emit("message", {"content": heard["content"]}, to=sid)


socket_io = socketio.ASGIApp(server)
