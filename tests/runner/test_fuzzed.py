"""Conversations that are almost right: cut, doubled, with bytes changed. The server answers on, and ends."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress

import h2.config
import h2.connection
import pytest
from starlette.types import Receive, Scope, Send

from runner.serving.limits import Limits
from tests.runner.served import GET, UPGRADE, Served, hello, served
from tests.runner.test_websocket import BINARY, CLOSE, CONTINUED, PING, TEXT, frame

pytestmark = pytest.mark.anyio
AT_ONCE, ROUNDS = 50, 10
BRIEF = Limits(head=0.1, keep_alive=0.1, body=0.1, linger=0.1, ping=0.1, pong=0.1, close=0.1, sweep=0.02)
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
LENGTH = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
FRAMES = frame(TEXT, b"hello") + frame(PING, b"x") + frame(BINARY, b"y" * 200, is_last=False) + frame(CONTINUED, b"z")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await hello(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "heard"})


def conversation(chance: random.Random) -> list[bytes]:
    """What a decent client sends, in pieces."""
    return chance.choice(
        [
            [GET, GET],
            [LENGTH + GET],
            [CHUNKED, GET],
            [UPGRADE + b"\r\n", FRAMES, frame(CLOSE, b"\x03\xe8bye")],
            http2(chance),
            http2(chance),
        ]
    )


def http2(chance: random.Random) -> list[bytes]:
    config = h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False)
    client = h2.connection.H2Connection(config)
    client.initiate_connection()
    pieces = [client.data_to_send()]
    for id in (1, 3, 5):
        method = chance.choice([b"GET", b"POST", b"CONNECT"])
        client.send_headers(id, [(b":method", method), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"x")])
        pieces.append(client.data_to_send())
        client.send_data(id, b"hello" * 20, end_stream=chance.random() < 0.7)
        if chance.random() < 0.3:
            client.reset_stream(id)
        pieces.append(client.data_to_send())
    return pieces


def harmed(chance: random.Random, piece: bytes) -> bytes:
    data = bytearray(piece)
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        place, length = chance.randrange(len(data)), chance.randrange(1, 40)
        match chance.randrange(4):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + length]
                data += b"."
            case 2:
                data[place:place] = chance.randbytes(length)
            case _:
                data[place:place] = data[place : place + length]
    return bytes(data)


async def talk(server: Served, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - so that a failure comes again
    with suppress(ConnectionError):
        async with await server.client() as client:
            for piece in conversation(chance):
                client.send(harmed(chance, piece))
                await asyncio.sleep(0)
            match chance.randrange(3):
                case 0:
                    client.reset()
                case 1:
                    client.writer.write_eof()
                    await client.until_closed()
                case _:
                    await client.until_closed()


async def test_no_client_stops_the_server_or_has_it_tell_of_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with served(app, BRIEF, grace=600) as server:
        for first in range(0, AT_ONCE * ROUNDS, AT_ONCE):
            await asyncio.gather(*(talk(server, seed) for seed in range(first, first + AT_ONCE)))
        async with await server.client() as client:
            client.send(GET)
            assert await client.answer() == (200, b"0")
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []
