"""What a WebSocket client can do to the server, and what the app and the client learn of each other's end."""

from __future__ import annotations

import asyncio
import os
import resource
import struct
import zlib

import pytest
import websockets
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.serving.inbox import Gone
from runner.serving.limits import Limits
from runner.serving.names import Config
from runner.serving.pace import PIECES
from runner.serving.server import Server
from tests.runner.served import GET, PATIENCE, UPGRADE, Client, Seen, Wire, hello, keeper, served

pytestmark = pytest.mark.anyio
PATIENT = Limits(close=0.1, sweep=0.02, message_bytes=1_000)
TEXT, CONTINUED, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10
MASK = b"\0\0\0\0"


def frame(opcode: int, payload: bytes, *, is_last: bool = True, rsv: int = 0, length: int | None = None) -> bytes:
    """As a client sends it; `length` says more than comes at once."""
    size = len(payload) if length is None else length
    first = bytes([is_last << 7 | rsv << 4 | opcode])
    if size < 126:
        return first + bytes([0x80 | size]) + MASK + payload
    if size < 65_536:
        return first + bytes([0x80 | 126]) + struct.pack(">H", size) + MASK + payload
    return first + bytes([0x80 | 127]) + struct.pack(">Q", size) + MASK + payload


async def hear(client: Client) -> tuple[int, bytes]:
    """One short frame: its opcode and payload."""
    async with asyncio.timeout(PATIENCE):
        first, size = await client.reader.readexactly(2)
        return first & 15, await client.reader.readexactly(size)


def code_of(payload: bytes) -> int:
    return int(struct.unpack(">H", payload[:2])[0])


async def test_compression_is_never_agreed_upon() -> None:
    async with served(keeper(Seen()), PATIENT) as server, await server.client() as client:
        head = await client.upgraded(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"extensions" not in head.lower()


async def test_a_compressed_frame_is_1002_and_is_not_inflated() -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.send(frame(TEXT, zlib.compress(b"0" * 1_000_000)[2:-4], rsv=4))
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 1002)
        await seen.leaving()
    assert [event[0] for event in seen.events] == [1002]


@pytest.mark.parametrize("kind", ["frame", "fragments", "two bytes a character"])
async def test_a_message_that_is_too_big_is_1009_and_the_connection_is_closed(kind: str) -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        match kind:
            case "frame":
                client.send(frame(BINARY, b"x" * 2_000, length=400_000_000))
            case "fragments":
                client.send(frame(TEXT, b"x" * 600, is_last=False) + frame(CONTINUED, b"x" * 600, is_last=False))
            case _:
                client.send(frame(TEXT, "é".encode() * 600))
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 1009)
        assert await client.until_closed() == b""
        await seen.leaving()
    assert seen.events == [(1009, "")]


async def test_what_comes_after_the_1009_costs_no_memory() -> None:
    seen = Seen()
    async with served(keeper(seen), Limits(sweep=0.02)) as server, await server.client() as client:
        await client.upgraded()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client.send(frame(BINARY, b"", length=400_000_000))
        piece = os.urandom(1_000_000)
        closed = asyncio.create_task(client.until_closed())
        for _ in range(400):
            if closed.done() or client.writer.is_closing():
                break
            client.send(piece)
            try:
                await client.writer.drain()
            except ConnectionError:
                break
        assert code_of((await closed)[2:]) == 1009
        await seen.leaving()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1_024  # KiB


async def test_a_message_of_the_bound_in_pieces_is_whole() -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.send(frame(TEXT, b"x" * 500, is_last=False) + frame(PING, b"?") + frame(CONTINUED, b"y" * 500))
        client.send(frame(BINARY, b"z") + frame(CLOSE, struct.pack(">H", 4000) + b"bye"))
        assert await hear(client) == (PONG, b"?")
        await seen.leaving()
    assert seen.events == ["x" * 500 + "y" * 500, b"z", (4000, "bye")]


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (struct.pack(">H", 1001), 1001)])
async def test_the_app_learns_the_clients_close_code(payload: bytes, code: int) -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.send(frame(CLOSE, payload))
        assert (await hear(client))[0] == CLOSE
        assert await client.until_closed() == b""
        await seen.leaving()
    assert seen.events == [(code, "")]


async def test_a_connection_that_breaks_off_is_1006() -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.reset()
        await seen.leaving()
    assert seen.events == [(1006, "")]


async def test_text_that_is_not_utf8_is_1007() -> None:
    async with served(keeper(Seen()), PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.send(frame(TEXT, b"\xff\xff"))
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 1007)


async def test_a_client_that_gives_no_sign_of_life_is_4408() -> None:
    seen = Seen()
    async with served(keeper(seen)) as server, await server.client() as client:
        await client.upgraded()
        assert await hear(client) == (PING, b"")
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 4408)
        assert await client.until_closed() == b""
        await seen.leaving()
    assert seen.events == [(4408, "No sign of life")]


async def test_a_client_that_answers_pings_stays() -> None:
    seen = Seen()
    async with served(keeper(seen)) as server, await server.client() as client:
        await client.upgraded()
        for _ in range(4):  # longer than the silence that is borne
            assert await hear(client) == (PING, b"")
            client.send(frame(PONG, b""))
        assert seen.events == []


async def test_a_close_that_is_not_answered_is_the_end_all_the_same() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})

    async with served(app) as server, await server.client() as client:
        await client.upgraded()
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload), payload[2:]) == (CLOSE, 4001, b"enough")
        client.send(frame(TEXT, b"I go on"))
        assert await client.until_closed() == b""


async def test_sending_to_a_client_that_is_gone_raises_and_receiving_goes_on_telling() -> None:
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.events += [await receive(), await receive()]
        with pytest.raises(Gone):
            await send({"type": "websocket.send", "text": "late"})
        seen.gone.set()

    async with served(app, PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.reset()
        await seen.leaving()
    assert [event["type"] for event in seen.events] == ["websocket.disconnect"] * 2


async def test_an_app_that_fails_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        raise RuntimeError("no bot")

    async with served(app) as server, await server.client() as client:
        await client.upgraded()
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 1011)
        assert await client.until_closed() == b""
    assert "app.failed" in caplog.text


@pytest.mark.parametrize("early", [frame(TEXT, b"early"), b""])
async def test_a_refused_handshake_leaves_no_connection_open(early: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await (receive() if early else send({"type": "websocket.close"}))

    async with served(app) as server, await server.client() as client:
        client.send(UPGRADE + b"\r\n" + early)
        assert (await client.until_closed()).startswith(b"HTTP/1.1 4")


async def test_a_handshake_of_another_version_is_400_and_closed() -> None:
    async with served(keeper(Seen())) as server, await server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        assert (await client.until_closed()).startswith(b"HTTP/1.1 400")


async def test_a_stop_closes_what_the_app_keeps_with_1012_at_once() -> None:
    seen = Seen()
    async with served(keeper(seen), PATIENT, grace=10 * PATIENCE) as server, await server.client() as client:
        await client.upgraded()
        server.stop.set()
        opcode, payload = await hear(client)
        assert (opcode, code_of(payload)) == (CLOSE, 1012)
        client.send(frame(CLOSE, payload))
        await seen.leaving()


async def test_a_socket_beside_requests_stops_nobody() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (keeper(Seen()) if scope["type"] == "websocket" else hello)(scope, receive, send)

    async with served(app, PATIENT) as server, await server.client() as client, await server.client() as other:
        await client.upgraded()
        other.send(GET)
        assert await other.answer() == (200, b"0")


async def test_a_line_break_in_a_header_of_the_handshake_is_not_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ValueError, match="line break"):
            await send({"type": "websocket.accept", "headers": [(b"x", b"a\r\nb: c")]})
        await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
        await send({"type": "websocket.http.response.body", "body": b""})

    async with served(app) as server, await server.client() as client:
        assert (await client.upgraded()).startswith(b"HTTP/1.1 418")


def connected(app: ASGIApp) -> tuple[Wire, Server]:
    """`app` with a client that takes everything at once, and has asked for a WebSocket."""
    wire, server = Wire(), Server(app, Config(), PATIENT)
    connection = server.connect()
    connection.connection_made(wire)
    connection.data_received(UPGRADE + b"\r\n")
    return wire, server


async def ended(server: Server) -> None:
    for connection in list(server.connections):
        connection.connection_lost(None)
    await server.empty()


async def test_an_app_that_sends_without_end_lets_others_run_after_a_few_frames() -> None:
    begun, between = asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        begun.set()
        while True:
            await send({"type": "websocket.send", "text": "and on"})

    wire, server = connected(app)
    await begun.wait()
    for _ in range(5):
        before = len(wire.writes)
        await asyncio.sleep(0)
        between.append(len(wire.writes) - before)
    await ended(server)
    assert between == [PIECES] * 5


async def test_the_frames_of_a_reply_are_written_before_others_get_their_turn() -> None:
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        asyncio.get_running_loop().call_soon(lambda: seen.events.append(len(wire.writes)))
        for _ in range(4):
            await send({"type": "websocket.send", "text": "a piece"})
        seen.gone.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    wire, server = connected(app)
    await seen.leaving()
    await asyncio.sleep(0)
    await ended(server)
    assert seen.events == [len(wire.writes)] == [5]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
async def test_a_message_of_any_length_reaches_the_client_as_it_was_sent(length: int) -> None:
    text, data = "x" * length, b"\xff" * length

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.send", "bytes": data})
        await receive()
        await receive()

    async with served(app) as server, websockets.connect(f"ws://127.0.0.1:{server.port}/ws") as socket:
        async with asyncio.timeout(PATIENCE):
            assert [await socket.recv(), await socket.recv()] == [text, data]


async def test_nothing_follows_the_answer_to_a_close() -> None:
    closed = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "more"})
                await asyncio.sleep(0)
        except Gone:
            closed.set()

    async with served(app, PATIENT) as server, await server.client() as client:
        await client.upgraded()
        client.send(frame(CLOSE, struct.pack(">H", 1000)))
        said = await client.until_closed()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()
    assert said.endswith(b"\x88\x02\x03\xe8")


async def test_text_that_is_no_text_is_an_error() -> None:
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        with pytest.raises(TypeError):
            await send({"type": "websocket.send", "text": 1})
        seen.gone.set()

    async with served(app, PATIENT) as server, await server.client() as client:
        await client.upgraded()
        await seen.leaving()
