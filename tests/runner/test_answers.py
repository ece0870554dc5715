"""However an answer is framed: a client reads what the app has sent, and knows whether it may ask again."""

from __future__ import annotations

from dataclasses import dataclass

import h11
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.serving.limits import Limits
from tests.runner.served import Client, served

pytestmark = pytest.mark.anyio
PATIENT = Limits(sweep=0.02)
Headers = list[tuple[bytes, bytes]]
LENGTH_5: Headers = [(b"Content-Length", b"5")]


@dataclass
class Heard:
    head: h11.Response
    body: bytes
    may_go_on: bool


async def heard(client: Client, method: bytes, *headers: tuple[bytes, bytes]) -> Heard:
    reader = h11.Connection(h11.CLIENT)
    asked = h11.Request(method=method, target="/", headers=[(b"host", b"localhost"), *headers])
    client.send(reader.send(asked) + reader.send(h11.EndOfMessage()))
    head, body = None, b""
    while True:
        match reader.next_event():
            case h11.Response() as head:
                pass
            case h11.Data() as piece:
                body += piece.data
            case h11.EndOfMessage():
                assert head is not None
                return Heard(head, body, reader.their_state is h11.DONE)
            case _:
                reader.receive_data(await client.reader.read(65_536))


def answering(status: int, headers: Headers, *pieces: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return app


@pytest.mark.parametrize(
    ("method", "status", "headers", "pieces", "body"),
    [
        (b"GET", 200, LENGTH_5, [b"hello"], b"hello"),
        (b"GET", 404, LENGTH_5, [b"he", b"", b"llo"], b"hello"),
        (b"GET", 200, [], [b"he", b"llo"], b"hello"),
        (b"GET", 200, [(b"transfer-encoding", b"chunked")], [b"hello"], b"hello"),
        (b"GET", 200, [(b"content-length", b"5"), (b"content-length", b"5")], [b"hello"], b"hello"),
        (b"HEAD", 200, LENGTH_5, [b"hello"], b""),
        (b"GET", 204, [], [], b""),
        (b"GET", 304, LENGTH_5, [b"hello"], b""),
        (b"GET", 200, [(b"content-length", b"0")], [], b""),
    ],
)
async def test_an_answer_is_read_as_it_was_sent_and_the_next_one_too(
    method: bytes, status: int, headers: Headers, pieces: list[bytes], body: bytes
) -> None:
    app = answering(status, headers, *pieces)
    async with served(app, PATIENT) as server, await server.client() as client:
        for _ in range(3):
            said = await heard(client, method)
            assert (said.head.status_code, said.body, said.may_go_on) == (status, body, True)
            assert [field for field in headers if field[0].lower() not in dict(said.head.headers)] == []


@pytest.mark.parametrize("whose", ["client", "app"])
async def test_an_answer_after_which_the_connection_closes_says_so(whose: str) -> None:
    close = (b"connection", b"close")
    app = answering(200, [*LENGTH_5, close] if whose == "app" else LENGTH_5, b"hello")
    async with served(app, PATIENT) as server, await server.client() as client:
        said = await heard(client, b"GET", *([close] if whose == "client" else []))
        assert (said.body, said.may_go_on) == (b"hello", False)
        assert close in list(said.head.headers)
        assert await client.until_closed() == b""


async def test_an_old_client_reads_to_the_end_of_the_connection() -> None:
    async with served(answering(200, [], b"hello"), PATIENT) as server, await server.client() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        said = await client.until_closed()
    assert said.endswith(b"\r\n\r\nhello")
    assert b"chunked" not in said.lower()


@pytest.mark.parametrize("pieces", [[b"hell"], [b"hello", b"!"]])
async def test_a_body_of_another_length_than_said_ends_the_connection(
    pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with served(answering(200, LENGTH_5, *pieces), PATIENT) as server, await server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = await client.until_closed()
    assert said.partition(b"\r\n\r\n")[2] in {b"hell", b"hello"}
    assert "app.failed" in caplog.text


@pytest.mark.parametrize("name", [b"", b"a b", b":status", b"a:b", b"a\nb", "é".encode()])
async def test_a_header_whose_name_is_none_is_not_sent(name: bytes, caplog: pytest.LogCaptureFixture) -> None:
    app = answering(200, [*LENGTH_5, (name, b"x")], b"hello")
    async with served(app, PATIENT) as server, await server.client() as client:
        said = await heard(client, b"GET")
    assert (said.head.status_code, said.body) == (500, b"")
    assert "ValueError" in caplog.text


async def test_a_client_that_asks_whether_to_go_on_is_told_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        await answering(200, LENGTH_5, body)(scope, receive, send)

    async with served(app, PATIENT) as server, await server.client() as client:
        for _ in range(2):
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            client.send(b"hello")
            assert await client.answer() == (200, b"hello")


async def test_an_app_that_fails_before_it_has_ended_its_answer_ends_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": LENGTH_5})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        raise RuntimeError("and now?")

    async with served(app, PATIENT) as server, await server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.until_closed()).endswith(b"\r\n\r\nhello")
