"""What an HTTP/2 client can do to the server: what another one on the same connection does not notice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TypeVar

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from starlette.types import Receive, Scope, Send

from runner.serving.limits import Limits
from tests.runner.served import PATIENCE, SHORT, Client, Seen, endless, hello, keeper, reply, served

pytestmark = pytest.mark.anyio
PATIENT = Limits(sweep=0.02)
E = TypeVar("E")
HEAD = [(":scheme", "http"), (":authority", "localhost")]


@dataclass
class H2Client:
    """Speaks HTTP/2 without TLS, and keeps what it hears."""

    client: Client
    h2: h2.connection.H2Connection = field(
        default_factory=lambda: h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False)
        )
    )
    heard: list[object] = field(default_factory=list)

    def begin(self) -> None:
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.client.send(self.h2.data_to_send())

    def ask(self, id: int, method: str = "GET", path: str = "/", *, ends: bool = True) -> None:
        self.h2.send_headers(id, [(":method", method), (":path", path), *HEAD], end_stream=ends)
        self.flush()

    async def until(self, kind: type[E], id: int | None = None) -> E:
        """The first event of its kind, of that stream."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.heard:
                    if isinstance(event, kind) and id in (None, getattr(event, "stream_id", None)):
                        return event
                data = await self.client.reader.read(65_536)
                assert data, "the connection was closed"
                self.heard += self.h2.receive_data(data)
                self.flush()

    async def status(self, id: int) -> str:
        head = await self.until(h2.events.ResponseReceived, id)
        return next(bytes(value).decode() for name, value in head.headers or [] if bytes(name) == b":status")


async def test_requests_side_by_side_are_answered() -> None:
    async with served(hello, PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        for id in (1, 3, 5):
            client.ask(id)
        assert [await client.status(id) for id in (1, 3, 5)] == ["200"] * 3
        assert (await client.until(h2.events.DataReceived, 5)).data == b"0"


async def test_a_line_break_in_a_header_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"", (b"location", b"a\r\nset-cookie: b"))

    async with served(app, PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        assert await client.status(1) == "500"
    assert "line break" in caplog.text


async def test_a_body_that_goes_on_after_the_answer_harms_no_other_stream() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"")

    async with served(app, PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1, "POST", ends=False)
        assert await client.status(1) == "200"
        client.h2.send_data(1, b"x" * 1_000)
        client.ask(3)
        assert await client.status(3) == "200"


async def test_a_body_that_does_not_come_is_408() -> None:
    async with served(hello) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1, "POST", ends=False)
        assert await client.status(1) == "408"


async def test_a_path_that_is_not_ascii_is_400() -> None:
    async with served(hello, PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1, path="/é")
        client.ask(3)
        assert [await client.status(1), await client.status(3)] == ["400", "200"]


async def test_streams_that_are_reset_over_and_over_end_the_connection() -> None:
    async with served(hello, Limits(resets=10)) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        for id in range(1, 41, 2):
            client.ask(id, "POST", ends=False)
            client.h2.reset_stream(id)
        client.flush()
        ended = await client.until(h2.events.ConnectionTerminated)
    assert ended.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


async def test_an_endless_answer_ends_with_its_stream() -> None:
    seen = Seen()
    async with served(endless(seen), PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        await client.until(h2.events.DataReceived, 1)
        client.h2.reset_stream(1)
        client.ask(3, path="/health")
        assert await client.status(3) == "200"
        await seen.leaving()


async def test_an_app_that_waits_for_a_window_is_let_go_with_its_client() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"x" * 100_000)  # the window has 65,535

    async with served(app, PATIENT, grace=10 * PATIENCE) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        await client.until(h2.events.DataReceived, 1)
        raw.writer.write_eof()
        await raw.until_closed()


async def test_a_connection_whose_last_stream_was_reset_is_idle_too() -> None:
    async with served(hello, SHORT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1, "POST", ends=False)
        client.h2.reset_stream(1)
        client.flush()
        await raw.until_closed()


async def test_an_idle_connection_is_closed() -> None:
    async with served(hello, SHORT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        assert await client.status(1) == "200"
        await raw.until_closed()


async def test_a_stop_answers_what_is_under_way_and_refuses_what_comes_so_that_it_can_be_sent_again() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go.wait()
        await reply(send, b"done")

    async with served(app, PATIENT) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        client.ask(1)
        await begun.wait()
        server.stop.set()
        await asyncio.sleep(0)
        client.ask(3)
        assert (await client.until(h2.events.StreamReset, 3)).error_code == h2.errors.ErrorCodes.REFUSED_STREAM
        go.set()
        assert await client.status(1) == "200"


async def test_a_websocket_of_http_2_is_bounded_too() -> None:
    seen = Seen()
    limits = Limits(message_bytes=1_000, close=0.1, sweep=0.02)
    async with served(keeper(seen), limits) as server, await server.client() as raw:
        client = H2Client(raw)
        client.begin()
        await client.until(h2.events.RemoteSettingsChanged)
        version = ("sec-websocket-version", "13")
        client.h2.send_headers(
            1, [(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/ws"), *HEAD, version]
        )
        client.flush()
        assert await client.status(1) == "200"
        client.h2.send_data(1, b"\x82\xfe\x07\xd0\0\0\0\0" + b"x" * 2_000)
        client.flush()
        assert (await client.until(h2.events.DataReceived, 1)).data == b"\x88\x02\x03\xf1"
        await seen.leaving()
    assert seen.events == [(1009, "")]
