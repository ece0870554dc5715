"""What an HTTP/1.1 client can do to the server: nothing that lasts."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from runner.serving.inbox import Gone
from runner.serving.limits import Limits
from runner.serving.names import Config
from runner.serving.server import Server
from tests.runner.served import GET, PATIENCE, SHORT, Seen, Wire, endless, hello, reply, served

pytestmark = pytest.mark.anyio
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
PATIENT = Limits(sweep=0.02)


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    async with served(hello, PATIENT) as server, await server.client() as client:
        client.send(POST % 3 + b"abc" + GET + POST % 1 + b"x")
        assert [await client.answer() for _ in range(3)] == [(200, b"3"), (200, b"0"), (200, b"1")]


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_head_that_does_not_end_is_408(sent: bytes) -> None:
    async with served(hello) as server, await server.client() as client:
        client.send(sent)
        assert (await client.until_closed()).startswith(b"HTTP/1.1 408")


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time() -> None:
    async with served(hello) as server, await server.client() as client:
        closed = asyncio.create_task(client.until_closed())
        while not closed.done():
            client.send(b"G")
            await asyncio.wait([closed], timeout=0.01)
        assert closed.result().startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("sent", [b"", GET])
async def test_an_idle_connection_is_closed(sent: bytes) -> None:
    async with served(hello) as server, await server.client() as client:
        client.send(sent)
        assert b"408" not in await client.until_closed()


async def test_a_body_that_does_not_come_is_408_and_the_app_is_told() -> None:
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        with pytest.raises(Gone):
            await reply(send, b"late")
        seen.gone.set()

    async with served(app) as server, await server.client() as client:
        client.send(POST % 100 + b"half")
        assert (await client.until_closed()).startswith(b"HTTP/1.1 408")
        await seen.leaving()


async def test_a_body_that_comes_too_slowly_is_408() -> None:
    async with served(hello) as server, await server.client() as client:
        client.send(POST % 10_000)
        closed = asyncio.create_task(client.until_closed())
        while not closed.done():
            client.send(b"x")
            await asyncio.wait([closed], timeout=0.01)
        assert closed.result().startswith(b"HTTP/1.1 408")


async def test_an_app_that_takes_its_time_is_no_fault_of_the_client() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(4 * SHORT.body)  # the bot that it is, not the test's
        await hello(scope, receive, send)

    async with served(app) as server, await server.client() as client:
        client.send(POST % 5_000_000 + b"x" * 5_000_000)
        assert await client.answer() == (200, b"5000000")


async def test_a_client_that_does_not_read_is_cut() -> None:
    seen = Seen()
    async with served(endless(seen), Limits(write=0.3, sweep=0.02)) as server, await server.client() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # of a reader's transport
        client.send(GET)
        await seen.leaving()


@pytest.mark.parametrize(
    ("sent", "status"), [(b"\x16\x03\x01\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000, b"431")]
)
async def test_what_is_no_request_is_refused_and_closed(sent: bytes, status: bytes) -> None:
    async with served(hello, PATIENT) as server, await server.client() as client:
        client.send(sent)
        assert (await client.until_closed()).startswith(b"HTTP/1.1 " + status)


async def test_an_answer_before_the_body_has_come_reaches_the_client() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"no")

    async with served(app) as server, await server.client() as client:
        client.send(POST % 50_000_000 + b"x" * 5_000_000)
        assert (await client.until_closed()).endswith(b"no")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0b"])
async def test_a_line_break_in_a_header_is_not_sent(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"", (b"location", value))

    async with served(app) as server, await server.client() as client:
        client.send(GET)
        assert await client.answer() == (500, b"")
    assert "line break" in caplog.text


@pytest.mark.parametrize("path", ["/", "/ws"])
async def test_an_endless_answer_ends_with_its_client_and_stops_nobody(path: str) -> None:
    seen = Seen()
    async with served(endless(seen), PATIENT) as server, await server.client() as client:
        if path == "/ws":
            await client.upgraded()
        else:
            client.send(GET)
        await client.reader.read(100)
        async with await server.client() as other:
            other.send(GET.replace(b"/ ", b"/health "))
            assert await other.answer() == (200, b"ok")
        client.reset()
        await seen.leaving()


async def test_a_reset_with_requests_behind_it_lets_go_at_once() -> None:
    seen, begun = Seen(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await receive()
        seen.events.append(await receive())
        seen.gone.set()

    async with served(app, PATIENT, grace=10 * PATIENCE) as server:
        async with await server.client() as client:
            client.send(GET * 50)
            await begun.wait()
            client.reset()
            await seen.leaving()
        server.stop.set()
        async with asyncio.timeout(PATIENCE):
            await server.over.wait()
    assert seen.events == [{"type": "http.disconnect"}]


async def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    async with served(hello, PATIENT) as server, await server.client() as client:
        client.send(GET)
        client.writer.write_eof()
        assert (await client.until_closed()).endswith(b"\r\n\r\n0")


async def test_a_connection_too_many_is_closed_and_the_others_are_not() -> None:
    async with served(hello, Limits(connections=1)) as server, await server.client() as client:
        client.send(GET)
        assert await client.answer() == (200, b"0")
        async with await server.client() as other:
            assert await other.until_closed() == b""
        client.send(GET)
        assert await client.answer() == (200, b"0")


async def test_a_client_that_has_said_all_and_then_goes_ends_an_endless_answer() -> None:
    seen = Seen()
    async with served(endless(seen), PATIENT) as server, await server.client() as client:
        client.send(GET)
        client.writer.write_eof()
        await client.reader.read(100)
        client.reset()
        await seen.leaving()


async def test_an_app_that_fails_in_the_middle_cuts_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("no more")

    async with served(app, PATIENT) as server, await server.client() as client:
        client.send(GET)
        said = await client.until_closed()
    assert b"half" in said
    assert not said.endswith(b"0\r\n\r\n")
    assert "app.failed" in caplog.text


async def test_a_stop_answers_what_is_under_way_and_says_that_it_is_the_last() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go.wait()
        await reply(send, b"done")

    async with served(app, PATIENT) as server, await server.client() as client:
        client.send(GET)
        await begun.wait()
        server.stop.set()
        await asyncio.sleep(0)
        go.set()
        said = (await client.until_closed()).lower()
    assert b"connection: close" in said
    assert said.endswith(b"done")


async def test_a_request_on_its_way_when_the_stop_comes_is_answered() -> None:
    async with served(hello, PATIENT) as server, await server.client() as client:
        client.send(GET)
        assert await client.answer() == (200, b"0")
        server.stop.set()
        await asyncio.sleep(0)
        client.send(GET)
        assert await client.answer() == (200, b"0")
        assert await client.until_closed() == b""


async def test_a_response_is_one_write() -> None:
    wire, server = Wire(), Server(hello, Config(), PATIENT)
    connection = server.connect()
    connection.connection_made(wire)
    connection.data_received(GET)
    await wire.written.wait()
    connection.connection_lost(None)
    await server.empty()
    assert len(wire.writes) == 1
    assert wire.writes[0].endswith(b"\r\n\r\n0")
