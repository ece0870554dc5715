"""The service under the servers that hosts use: the same answers, and clients that go leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from generalbots_api import BotInfo, EchoBot, Piece, Turn
from tests.support.promises import check_error
from tests.support.real import SERVERS, really_served
from tests.support.service import Service

pytestmark = [pytest.mark.anyio, pytest.mark.server, pytest.mark.parametrize("server", SERVERS)]
PATIENCE = 20  # seconds, for a machine that is busy
KEPT = ("hypercorn.error", "uvicorn.error", "generalbots_api", "runner", "asyncio")


class NeverEnding:
    """Sends as fast as it can, and never waits for anything."""

    info = BotInfo("never", "Never ending")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        while True:
            yield "piece "


BOTS: list[Any] = [EchoBot(), NeverEnding()]


LONG = {"reply_max_chars": 10_000_000, "turn_timeout": 2}


def client_of(port: int, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE)


def socket_of(port: int, token: str, **options: Any) -> connect:
    headers = {"Authorization": f"Bearer {token}"}
    return connect(f"ws://127.0.0.1:{port}/ws", additional_headers=headers, **options)


async def say(chat: ClientConnection, session: str, content: str = "Hello") -> None:
    await chat.send(json.dumps({"type": "message", "content": content, "session_id": session}))


async def opened(client: httpx2.AsyncClient, bot: str = "echo") -> str:
    return str((await client.post("/api/session/create", json={"bot_id": bot})).json()["session_id"])


async def no_sockets(service: Service) -> None:
    with anyio.fail_after(PATIENCE):
        while service.gb._services.sockets.count:  # noqa: ASYNC110 - nobody is told when the last one has gone
            await asyncio.sleep(0.01)


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name in KEPT and one.levelno >= logging.ERROR]


async def test_requests_chat_and_errors_are_as_specified(server: str) -> None:
    async with really_served(server, bots=BOTS) as (service, port):
        token = await service.token("alice")
        async with client_of(port, token) as client:
            session = await opened(client)
            async with socket_of(port, token) as chat:
                await say(chat, session)
                assert json.loads(await chat.recv())["content"] == "Hello"
            history = (await client.get(f"/api/conversations/{session}/history")).json()
            assert [message["content"] for message in history["messages"]] == ["Hello", "Hello"]
            check_error(await client.get("/api/nowhere"), 404, "NOT_FOUND")
        await no_sockets(service)


async def test_a_handshake_without_a_login_is_401_in_the_one_format(server: str) -> None:
    async with really_served(server, bots=BOTS) as (_, port):
        with pytest.raises(InvalidStatus) as refused:
            async with socket_of(port, "gbs_none"):
                pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "UNAUTHORIZED"


async def test_compression_is_the_servers_affair_and_a_frame_that_is_too_big_is_1009(server: str) -> None:
    async with really_served(server, bots=BOTS) as (service, port):
        async with socket_of(port, await service.token("alice")) as chat:
            await chat.send("x" * 100_000)
            with pytest.raises(ConnectionClosed) as closed:
                await chat.recv()
        await no_sockets(service)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_bot_that_sends_without_end_stops_nobody_and_its_client_may_go(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with really_served(server, bots=BOTS, settings=LONG) as (service, port):
        token = await service.token("alice")
        async with client_of(port, token) as client:
            session = await opened(client, "never")
            chat = await socket_of(port, token, subprotocols=["gb.v1"])
            await say(chat, session)
            with anyio.fail_after(PATIENCE):
                while json.loads(await chat.recv())["type"] != "message.delta":
                    pass
            assert (await client.get("/health")).status_code == 200
            chat.transport.abort()
            assert (await client.get("/health")).status_code == 200
            await no_sockets(service)
            await client.post(f"/api/conversations/{session}/cancel", json={})
    assert troubles(caplog) == []


async def test_an_event_stream_ends_with_its_client(server: str, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        really_served(server, bots=BOTS, settings=LONG) as (service, port),
        client_of(port, await service.token("alice")) as client,
    ):
        session = await opened(client, "never")
        path, accept = f"/api/conversations/{session}/messages", {"Accept": "text/event-stream"}
        async with client.stream("POST", path, json={"content": "Hello"}, headers=accept) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if "delta" in line:
                    break
        assert (await client.get("/health")).status_code == 200
        await client.post(f"/api/conversations/{session}/cancel", json={})
    assert troubles(caplog) == []


async def test_a_body_that_breaks_off_leaves_nothing_in_the_log(server: str, caplog: pytest.LogCaptureFixture) -> None:
    async with really_served(server, bots=BOTS) as (service, port):
        token = await service.token("alice")
        head = f"POST /api/session/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            await writer.drain()
            writer.transport.abort()
        async with client_of(port, token) as client:
            assert (await client.get("/health")).status_code == 200
    assert troubles(caplog) == []


async def test_a_drain_tells_sockets_to_come_back(server: str) -> None:
    async with (
        really_served(server, bots=BOTS) as (service, port),
        socket_of(port, await service.token("alice"), subprotocols=["gb.v1"]) as chat,
        client_of(port, "gbs_none") as client,
    ):
        assert json.loads(await chat.recv())["type"] == "hello"
        assert (await client.get("/ready")).status_code == 200
        await service.gb.drain()
        assert (await client.get("/ready")).status_code == 503
        assert json.loads(await chat.recv())["type"] == "goodbye"
        with pytest.raises(ConnectionClosed) as closed:
            await chat.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
